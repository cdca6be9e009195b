"""Which proxies there are, and where their pages are. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["gateway", "sidecar"]

GATEWAY_PATH: Final = "/metrics?traffic"
CONSUMERS_PATH: Final = "/metrics?traffic&consumers"
MESH_PATH: Final = "/metrics?mesh"
"""Of a gateway that is a node of its mesh by itself: what its sidecar would have counted."""
SIDECAR_PATH: Final = "/stats/prometheus?filter=crossfade%5B._%5Drequest&usedonly"
_ADMIN_PORT: Final = 9901
_STATUS_PORT: Final = "status"
_ENDED: Final = frozenset({"Succeeded", "Failed"})


class Target(NamedTuple):
    """One proxy. `name` is `NAMESPACE/POD`, or the address where it was given; a gateway's pod may hold both kinds."""

    kind: Kind
    name: str
    port: int = 0
    path: str = ""
    """Of its page, with the query."""
    does_not_count: bool = False
    """Its environment switches that off."""

    @property
    def namespace(self) -> str:
        return self.name.partition("/")[0]

    @property
    def pod(self) -> str:
        return self.name.partition("/")[2]


def targets_of(pods: Iterable[Any], *, with_consumers: bool = False) -> list[Target]:
    """Of those that run of pods as the API has them, by the names that injection and Kong's chart give their parts."""
    return [target for pod in pods if _runs(pod) for target in _of_pod(pod, with_consumers=with_consumers)]


def _runs(pod: Any) -> bool:
    metadata, status = pod["metadata"], pod.get("status") or {}
    return bool(status.get("podIP")) and status.get("phase") not in _ENDED and not metadata.get("deletionTimestamp")


def _of_pod(pod: Any, *, with_consumers: bool) -> Iterator[Target]:
    name = f"{pod['metadata'].get('namespace', '')}/{pod['metadata']['name']}"
    spec = pod.get("spec") or {}
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        variables = {entry.get("name"): entry.get("value") for entry in container.get("env") or ()}
        if container["name"] == "envoy" and "APPMESH_RESOURCE_ARN" in variables:
            port = str(variables.get("ENVOY_ADMIN_ACCESS_PORT") or _ADMIN_PORT)
            is_off = variables.get("CROSSFADE_MESH_METRICS") == "off"
            if port.isascii() and port.isdecimal():
                yield Target("sidecar", name, int(port), SIDECAR_PATH, is_off)
        for port in container.get("ports") or ():
            if container["name"] == "proxy" and port.get("name") == _STATUS_PORT:
                path = CONSUMERS_PATH if with_consumers else GATEWAY_PATH
                yield Target("gateway", name, int(port["containerPort"]), path)
                if variables.get("APPMESH_VIRTUAL_NODE_NAME"):
                    is_off = variables.get("CROSSFADE_MESH_METRICS") == "off"
                    yield Target("sidecar", name, int(port["containerPort"]), MESH_PATH, is_off)
