"""Where records are shown in a cluster: at the pods of control planes, through the API server."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from crossfade.observe.access import ACCOUNT, AUDIENCE, CLUSTER_PORT, HEADER, USUAL_NAMESPACES
from crossfade.observe.door import Door, NothingThere, Query
from crossfade_kube.client import Client
from crossfade_kube.errors import Forbidden, KubeError, NotFound
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import DEPLOYMENT, POD, SERVICE_ACCOUNT

PORT_VARIABLE: Final = "CROSSFADE_RECORDS_PORT"
_LABELS: Final = "app.kubernetes.io/name in (kong, controller, gateway, ingress, appmesh-controller)"
_CONTAINERS: Final = frozenset({"ingress-controller", "controller"})
_NODE_VARIABLE: Final = "APPMESH_VIRTUAL_NODE_NAME"
# The shortest life that the API server gives a token.
_LIVES_S: Final = 600


class ClusterFailed(Exception):  # noqa: N818 - says what is the matter, to people
    """The cluster does not say, or does not let us."""


class ControlPlane(NamedTuple):
    """A pod that keeps records; `account` is its service account."""

    namespace: str
    pod: str
    account: str
    port: int


class ClusterDoor:
    """`token` says at the pod who asks; the API server knows it already."""

    def __init__(self, client: Client, at: ControlPlane, token: str) -> None:
        self.name: Final = f"{at.namespace}/{at.pod}"
        self._client = client
        self._at = at
        self._token = token

    async def pieces(self, path: str, query: Query, *, quiet_s: float) -> AsyncGenerator[bytes, None]:
        """As `door.Door` says."""
        at = self._at
        url = f"/api/v1/namespaces/{at.namespace}/pods/{at.pod}:{at.port}/proxy{path}?{urlencode(query)}"
        try:
            async with aclosing(self._client.pieces(url, headers={HEADER: self._token}, quiet_s=quiet_s)) as pieces:
                async for piece in pieces:
                    yield piece
        except Forbidden as error:
            hint = "" if error.reason != "Forbidden" else f"\nhint: allow `get` on `pods/proxy` in {at.namespace}"
            raise NothingThere(f"{self.name}: {error.message}{hint}") from error
        except KubeError as error:
            raise NothingThere(f"{self.name}: {getattr(error, 'message', error)}") from error


class Cluster:
    """`namespaces` are those of control planes; without any, all are looked through."""

    def __init__(self, client: Client, namespaces: Sequence[str] = ()) -> None:
        self._client = client
        self._namespaces = namespaces
        self._tokens: dict[tuple[str, str], str] = {}

    async def doors(self, namespace: str) -> Sequence[Door]:
        """Of all pods of control planes, for requests of that namespace or, empty, of all. Raises ClusterFailed."""
        found = [one for pod in await self._pods() if (one := _control_plane(pod)) is not None]
        if not found:
            raise ClusterFailed("no gateway and no controller of a mesh runs there that tells of requests")
        return [ClusterDoor(self._client, at, await self._token_for(at, namespace)) for at in sorted(found)]

    async def named(self, kind: str, name: str, namespace: str) -> Sequence[tuple[str, str]]:
        """Query parameters for the pods of `deployment` or `pod`, and a virtual node `vn`. Raises ClusterFailed."""
        if kind == "vn":
            return [("node", f"{namespace}/{name}")]
        try:
            pods = await self._named_pods(kind, name, namespace)
        except KubeError as error:
            raise ClusterFailed(str(error)) from error
        if not pods:
            raise ClusterFailed(f"deployment {namespace}/{name} has no pods")
        return sorted({one for pod in pods for one in _told_by(pod)})

    async def _named_pods(self, kind: str, name: str, namespace: str) -> Sequence[JsonObject]:
        if kind == "pod":
            return [await self._client.get(POD, name, namespace=namespace)]
        deployment = await self._client.get(DEPLOYMENT, name, namespace=namespace)
        labels = deployment["spec"]["selector"].get("matchLabels") or {}
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        return (await self._client.list(POD, namespace=namespace, label_selector=selector)).items

    async def _pods(self) -> Sequence[JsonObject]:
        """Of all namespaces, or of those where they may be listed."""
        if not self._namespaces:
            try:
                return (await self._client.list(POD, label_selector=_LABELS)).items
            except Forbidden:
                # Who sees one namespace only may have been let into those of control planes.
                pass
            except KubeError as error:
                raise ClusterFailed(str(error)) from error
        where = self._namespaces or USUAL_NAMESPACES
        answers = await asyncio.gather(*(self._pods_of(namespace) for namespace in where))
        if all(answer is None for answer in answers):
            raise ClusterFailed(
                f"you may list pods neither in all namespaces nor in {', '.join(where)}\n"
                "hint: name the gateway's and the mesh controller's with --control-plane, or allow the verb `list` on"
                " `pods` there"
            )
        return [pod for answer in answers for pod in answer or ()]

    async def _pods_of(self, namespace: str) -> Sequence[JsonObject] | None:
        try:
            return (await self._client.list(POD, namespace=namespace, label_selector=_LABELS)).items
        except Forbidden:
            return None
        except KubeError as error:
            raise ClusterFailed(str(error)) from error

    async def _token_for(self, at: ControlPlane, namespace: str) -> str:
        """That which shows least; an administrator may have no account for the namespace. Raises ClusterFailed."""
        if not namespace:
            return await self._token(at.namespace, at.account, is_of_all=True)
        try:
            return await self._token(namespace, ACCOUNT, is_of_all=False)
        except ClusterFailed as lacking:
            try:
                return await self._token(at.namespace, at.account, is_of_all=True)
            except ClusterFailed:
                raise lacking from None

    async def _token(self, namespace: str, account: str, *, is_of_all: bool) -> str:
        if (namespace, account) not in self._tokens:
            self._tokens[namespace, account] = await self._made_token(namespace, account, is_of_all=is_of_all)
        return self._tokens[namespace, account]

    async def _made_token(self, namespace: str, account: str, *, is_of_all: bool) -> str:
        spec = {"audiences": [AUDIENCE], "expirationSeconds": _LIVES_S}
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        try:
            made = await self._client.create(
                SERVICE_ACCOUNT, asked, namespace=namespace, subresource_of=account, subresource="token"
            )
        except NotFound as error:
            raise ClusterFailed(
                f"there is no service account {namespace}/{account}, by whose tokens you would show that you may see"
                f" requests\nhint: `crossfade install tap -n {namespace}` prints it"
            ) from error
        except Forbidden as error:
            hint = (
                "name a namespace with -n" if is_of_all else f"`crossfade install tap -n {namespace}` prints the rule"
            )
            raise ClusterFailed(
                f"you may not make tokens of the service account {namespace}/{account}, by which you would show that"
                f" you may see requests of {'all namespaces' if is_of_all else f'namespace {namespace}'}\n"
                f"hint: {hint}, or allow `create` on `serviceaccounts/token` with that name"
            ) from error
        except KubeError as error:
            raise ClusterFailed(str(error)) from error
        return str(made["status"]["token"])


def _control_plane(pod: Any) -> ControlPlane | None:
    """None where it does not run, is no control plane, or keeps no records."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    if status.get("phase") != "Running" or not status.get("podIP") or metadata.get("deletionTimestamp"):
        return None
    for container in spec["containers"]:
        if container["name"] in _CONTAINERS:
            variables = {one["name"]: one.get("value") for one in container.get("env") or ()}
            port = variables.get(PORT_VARIABLE) or str(CLUSTER_PORT)
            if port.isascii() and port.isdecimal():
                account = spec.get("serviceAccountName") or "default"
                return ControlPlane(metadata["namespace"], metadata["name"], account, int(port))
    return None


def _told_by(pod: Any) -> Iterable[tuple[str, str]]:
    """A gateway's pod tells under its own name, a sidecar under its node's."""
    yield "node", f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    spec = pod["spec"]
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        for variable in container.get("env") or ():
            if variable["name"] == _NODE_VARIABLE and variable.get("value"):
                yield "proxy", variable["value"]
