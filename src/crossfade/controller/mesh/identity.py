"""Which sidecar is calling: proved by its pod's service-account token, decided by what was injected into the pod.

A pod can only speak for virtual nodes and gateways of its own namespace, whatever its environment says.
"""

from collections.abc import Callable, Mapping
from typing import Final

from crossfade.compile.mesh import MeshModel
from crossfade.controller.mesh.pod_identity import PodIdentity
from crossfade.controller.mesh.token_keys import TokenKeys
from crossfade.controller.token_reviews import is_for, reviewed
from crossfade.inject.envoy_container import ENVOY_NAME
from crossfade.inject.mesh_native import KEY as MESH_NATIVE
from crossfade.inject.mesh_native import PROXY
from crossfade.inject.settings import TOKEN_AUDIENCE
from crossfade.xds.auth import Authenticate, NotAuthenticatedError, bearer_token
from crossfade_kube.client import Client
from crossfade_kube.errors import Forbidden, KubeError, NotFound
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import POD

log = EventLog("crossfade.mesh")

_NODE_VARIABLE: Final = "APPMESH_VIRTUAL_NODE_NAME"
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"
_POD_NAME: Final = "authentication.kubernetes.io/pod-name"
_POD_UID: Final = "authentication.kubernetes.io/pod-uid"
_MOST_REFUSALS: Final = 10_000


class Refusals(dict[str, str]):
    """Why pods were sent away last, by `namespace/name`; only of pods that have proved who they are."""

    def note(self, pod: PodIdentity, reason: str) -> None:
        self.pop(node := f"{pod.namespace}/{pod.name}", None)
        if reason:
            self[node] = reason
        if len(self) > _MOST_REFUSALS:
            del self[next(iter(self))]


def sidecar_authentication(
    client: Client, model: Callable[[], MeshModel | None], refusals: Refusals | None = None
) -> Authenticate:
    """Gives the path of the virtual node or gateway that the calling pod belongs to, the key of its resources."""
    tokens, noted = _Tokens(client), Refusals() if refusals is None else refusals

    async def path_of(pod: PodIdentity) -> str:
        path = resource_path(await client.get(POD, pod.name, namespace=pod.namespace), pod)
        check_ownership(path, pod.namespace, model())
        return path

    async def authenticate(metadata: Mapping[str, str]) -> str:
        token = bearer_token(metadata)
        try:
            pod = await tokens.identity(token)
            try:
                path = await path_of(pod)
            except NotAuthenticatedError as exc:
                noted.note(pod, str(exc))
                raise
        except NotFound as exc:
            raise NotAuthenticatedError("the pod of this token does not exist") from exc
        except KubeError as exc:
            raise NotAuthenticatedError("the token cannot be checked at the moment") from exc
        noted.note(pod, "")
        return path

    return authenticate


class _Tokens:
    """Reviewed by the API server; by its keys where the role allows no reviews, which is told once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._keys: TokenKeys | None = None

    async def identity(self, token: str) -> PodIdentity:
        if self._keys is None:
            try:
                return pod_identity(await reviewed(self._client, token, TOKEN_AUDIENCE))
            except Forbidden as exc:
                self._keys = TokenKeys(self._client)
                log.warning("tokens.review-forbidden", effect="tokens are checked by the cluster's keys", reason=exc)
        return await self._keys.identity(token)


def pod_identity(status: JsonObject) -> PodIdentity:
    """From a TokenReview's status; raises NotAuthenticatedError."""
    user: JsonObject = status.get("user") or {}
    name: str = user.get("username") or ""
    if not status.get("authenticated") or not name.startswith(_SERVICE_ACCOUNT):
        raise NotAuthenticatedError("the token is not one of a service account, or no longer valid")
    if not is_for(status, TOKEN_AUDIENCE):
        raise NotAuthenticatedError(f"the token is not for the audience {TOKEN_AUDIENCE}")
    extra: dict[str, list[str]] = user.get("extra") or {}
    pod, uid = extra.get(_POD_NAME), extra.get(_POD_UID)
    if not pod or not uid:
        raise NotAuthenticatedError("the token is not bound to a pod")
    return PodIdentity(name.removeprefix(_SERVICE_ACCOUNT).partition(":")[0], pod[0], uid[0])


def resource_path(pod: JsonObject, identity: PodIdentity) -> str:
    """What was injected; raises NotAuthenticatedError."""
    if pod["metadata"].get("uid") != identity.uid:
        raise NotAuthenticatedError("the pod of this token does not exist any more")
    spec: JsonObject = pod["spec"]
    annotations: dict[str, str] = pod["metadata"].get("annotations") or {}
    names = {ENVOY_NAME, PROXY} if MESH_NATIVE in annotations else {ENVOY_NAME}
    # A native sidecar is one of the init containers.
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        if container["name"] in names:
            for variable in container.get("env") or []:
                if variable["name"] == _NODE_VARIABLE and variable.get("value"):
                    value: str = variable["value"]
                    return value
    raise NotAuthenticatedError("the pod has no sidecar of this mesh")


def check_ownership(path: str, namespace: str, model: MeshModel | None) -> None:
    """Raises NotAuthenticatedError unless the pod's namespace has the virtual node or gateway of that path."""
    owner = model.owners.get(path) if model else None
    if owner is None:
        raise NotAuthenticatedError(f"{path} is not known here")
    if owner.namespace != namespace:
        raise NotAuthenticatedError(f"{path} does not belong to the pod's namespace")
