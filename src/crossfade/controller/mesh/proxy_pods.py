"""The pods that were given a proxy of the mesh, watched by their label; of each is kept what is asked of it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

from crossfade.compile.mesh.sidecars import PROXY_LABEL
from crossfade.inject.envoy_container import ENVOY_NAME
from crossfade.status.sidecars import CONDITION, ProxyPod
from crossfade_kube.client import Client
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.reflector import Reflector
from crossfade_kube.registry import ref_of
from crossfade_kube.resources import POD
from crossfade_kube.watch import WatchEvent

_AUTHORITY: Final = "CROSSFADE_ADS_CA"


class ProxyPods:
    """`run` keeps them current; iterating gives those whose proxies run and are to stay."""

    def __init__(self, client: Client) -> None:
        self._known: dict[NamespacedName, ProxyPod] = {}
        self._reflector = Reflector(client, POD, self, label_selector=PROXY_LABEL)

    @property
    def are_known(self) -> bool:
        return self._reflector.synced.is_set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._reflector.run()

    def __iter__(self) -> Iterator[ProxyPod]:
        return iter(tuple(self._known.values()))

    def read(self, item: JsonObject) -> ProxyPod | None:
        return proxy_pod(item)

    def replace(self, items: list[JsonObject]) -> None:
        self.replace_read(list(map(self.read, items)))

    def replace_read(self, items: list[ProxyPod | None]) -> None:
        self._known = {NamespacedName(pod.ref.namespace, pod.ref.name): pod for pod in items if pod is not None}

    def apply(self, event: WatchEvent) -> None:
        name = _name(event.object)
        pod = proxy_pod(event.object) if event.type != "DELETED" else None
        if pod is None:
            self._known.pop(name, None)
        else:
            self._known[name] = pod


def digest_of(authority_pem: str) -> str:
    """Of an authority's certificate, as pods are told it."""
    return blake2b(authority_pem.strip().encode(), digest_size=8).hexdigest()


def proxy_pod(pod: JsonObject) -> ProxyPod | None:
    """None where its proxy does not run, or the pod ends."""
    metadata: JsonObject = pod["metadata"]
    status: JsonObject = pod.get("status") or {}
    runs_since = _runs_since(status)
    if metadata.get("deletionTimestamp") or status.get("phase") != "Running" or runs_since is None:
        return None
    told = any(one.get("type") == CONDITION and one.get("status") == "False" for one in status.get("conditions") or ())
    ref = ref_of(pod)._replace(api_version=POD.api_version, kind=POD.kind)
    version = metadata.get("resourceVersion") or ""
    return ProxyPod(ref, version, f"{ref.namespace}/{ref.name}", runs_since, _authority(pod), told)


def _runs_since(status: JsonObject) -> datetime | None:
    for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if one.get("name") == ENVOY_NAME and (running := (one.get("state") or {}).get("running")):
            return datetime.fromisoformat(running["startedAt"]).astimezone(UTC)
    return None


def _authority(pod: JsonObject) -> str:
    spec: JsonObject = pod.get("spec") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        if container["name"] == ENVOY_NAME:
            for variable in container.get("env") or ():
                if variable["name"] == _AUTHORITY:
                    return digest_of(variable.get("value") or "")
    return ""


def _name(pod: JsonObject) -> NamespacedName:
    return NamespacedName(pod["metadata"].get("namespace") or "", pod["metadata"]["name"])
