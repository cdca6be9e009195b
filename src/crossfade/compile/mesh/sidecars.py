"""Which pods have a sidecar that takes requests for them, as injection writes it on the pod."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

from crossfade_kube.core import Pod
from crossfade_kube.meta import NamespacedName

SIDECAR_ANNOTATION: Final = "crossfade.dev/sidecar-takes"
"""On a pod: the path of its virtual node, and the ports whose connections its sidecar takes."""
PROXY_LABEL: Final = "crossfade.dev/mesh-proxy"
"""On a pod that was given a proxy of a mesh: `sidecar`, or `gateway` for a virtual gateway's."""


class Sidecar(NamedTuple):
    pod: NamespacedName
    ports: tuple[int, ...]


SidecarsByNode: TypeAlias = Mapping[str, frozenset[Sidecar]]


def sidecar_text(node_path: str, ports: str) -> str:
    """`ports` have commas between them."""
    return f"{node_path} {ports}"


def taken_ports(text: str, node_path: str) -> tuple[int, ...]:
    """None where the sidecar is another node's. `text` is the annotation's, which anybody may write."""
    path, _, ports = text.rpartition(" ")
    return tuple(int(port) for port in ports.split(",") if _is_port(port)) if path == node_path else ()


def sidecars_by_node(pods: Iterable[Pod]) -> SidecarsByNode:
    """By the nodes' paths."""
    found: dict[str, set[Sidecar]] = {}
    for pod in pods:
        text = pod.metadata.annotations.get(SIDECAR_ANNOTATION, "")
        path = text.rpartition(" ")[0]
        if path and (ports := taken_ports(text, path)):
            found.setdefault(path, set()).add(Sidecar(pod.metadata.key, ports))
    return {path: frozenset(sidecars) for path, sidecars in found.items()}


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= len("65535")
