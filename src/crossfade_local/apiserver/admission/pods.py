"""What pods get on creation: a service account with its token volume, and the usual tolerations."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.status import forbidden

TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_TOKEN_SECONDS: Final = 3607
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_ROOT_CA: Final = "kube-root-ca.crt"
_DEFAULT_ACCOUNT: Final = "default"
_ACCOUNT_TRIES: Final = 10
_ACCOUNT_PAUSE_S: Final = 0.1


def default_account(storage: Storage) -> Callable[[Attributes], Awaitable[None]]:
    """Waits a second for a new namespace's account, which a controller makes: one file may hold namespace and pod."""

    async def wait(attributes: Attributes) -> None:
        if attributes.new is None or not attributes.is_new_pod or _account_of(attributes.new) != _DEFAULT_ACCOUNT:
            return
        for _ in range(_ACCOUNT_TRIES):
            if storage.get("/serviceaccounts", attributes.namespace, _DEFAULT_ACCOUNT) is not None:
                return
            await asyncio.sleep(_ACCOUNT_PAUSE_S)

    return wait


def service_account(storage: Storage) -> Callable[[Attributes], None]:
    """Every pod runs as a service account that exists, and mounts its token unless told otherwise."""

    def step(attributes: Attributes) -> None:
        pod = attributes.new
        if pod is None or not attributes.is_new_pod or "kubernetes.io/config.mirror" in _annotations(pod):
            return
        spec = pod.setdefault("spec", {})
        name = _account_of(pod)
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        stored = storage.get("/serviceaccounts", attributes.namespace, name)
        if stored is None:
            raise forbidden(
                "pods",
                "",
                attributes.told_name,
                f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found',
            )
        account = stored.object
        if "imagePullSecrets" not in spec and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = list(account["imagePullSecrets"])
        if _mounts_token(spec, account):
            _mount_token(spec)

    return step


def _account_of(pod: JsonObject) -> str:
    spec = pod.get("spec") or {}
    name: str = spec.get("serviceAccountName") or spec.get("serviceAccount") or _DEFAULT_ACCOUNT
    return name


def _annotations(pod: JsonObject) -> JsonObject:
    return pod["metadata"].get("annotations") or {}


def _mounts_token(spec: JsonObject, account: JsonObject) -> bool:
    chosen = spec.get("automountServiceAccountToken")
    if chosen is None:
        chosen = account.get("automountServiceAccountToken")
    return chosen is not False


def _mount_token(spec: JsonObject) -> None:
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    lacking = [container for container in containers if not _has_mount(container)]
    if not lacking:
        return
    volumes = spec.setdefault("volumes", [])
    known = next((volume for volume in volumes if volume["name"].startswith("kube-api-access-")), None)
    if known is None:
        known = _token_volume("kube-api-access-" + "".join(secrets.choice(_ALPHABET) for _ in range(5)))
        volumes.append(known)
    for container in lacking:
        mount = {"mountPath": TOKEN_PATH, "name": known["name"], "readOnly": True}
        container.setdefault("volumeMounts", []).append(mount)


def _has_mount(container: JsonObject) -> bool:
    return any(mount.get("mountPath") == TOKEN_PATH for mount in container.get("volumeMounts") or ())


def _token_volume(name: str) -> JsonObject:
    sources: list[JsonObject] = [
        {"serviceAccountToken": {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"items": [{"key": "ca.crt", "path": "ca.crt"}], "name": _ROOT_CA}},
        {
            "downwardAPI": {
                "items": [{"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}, "path": "namespace"}]
            }
        },
    ]
    return {"name": name, "projected": {"defaultMode": 420, "sources": sources}}


def tolerations(attributes: Attributes) -> None:
    """Pods stay five minutes on a node that is not ready or unreachable."""
    pod = attributes.new
    if pod is None or attributes.bucket != "/pods" or attributes.subresource:
        return
    own = pod["spec"].setdefault("tolerations", [])
    for condition in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{condition}"
        if not any(_tolerates(toleration, key) for toleration in own):
            own.append({"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300})


def _tolerates(toleration: JsonObject, key: str) -> bool:
    return toleration.get("key", "") in ("", key) and toleration.get("effect", "") in ("", "NoExecute")
