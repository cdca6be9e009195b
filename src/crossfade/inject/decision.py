"""Which virtual node or gateway a new pod belongs to, if any (appmesh.md §4.1)."""

from collections.abc import Sequence
from enum import Enum
from typing import Final, TypeAlias, TypeVar

from msgspec import Struct

from crossfade.api.appmesh import VirtualGateway, VirtualNode
from crossfade_kube.meta import JsonObject

MODE_KEY: Final = "appmesh.k8s.aws/sidecarInjectorWebhook"


class InjectionDenied(Exception):  # noqa: N818 - a verdict, not a failure
    """The pod must not start: without its sidecar it would break the mesh's rules."""


class Untouched(Enum):
    """The pod stays as it is."""

    UNTOUCHED = "untouched"


class Candidates(Struct, frozen=True):
    """Virtual nodes and gateways of the pod's namespace."""

    nodes: Sequence[VirtualNode] = ()
    gateways: Sequence[VirtualGateway] = ()


M = TypeVar("M", VirtualNode, VirtualGateway)

Decision: TypeAlias = VirtualNode | VirtualGateway | Untouched


def decide(pod: JsonObject, namespace: str, *, namespace_labels: dict[str, str], candidates: Candidates) -> Decision:
    """Raises InjectionDenied."""
    metadata = pod["metadata"]
    annotations: dict[str, str] = metadata.get("annotations") or {}
    mode = annotations.get(MODE_KEY, namespace_labels.get(MODE_KEY, "")).lower()
    if mode == "disabled":
        return Untouched.UNTOUCHED
    labels: dict[str, str] = metadata.get("labels") or {}
    # Pods of a ReplicaSet have no name yet when admission sees them.
    name = metadata.get("name") or metadata.get("generateName") or ""
    node = _only([node for node in candidates.nodes if node.selects(labels)], "VirtualNodes", pod=f"{namespace}/{name}")
    gateway = _only(
        [gateway for gateway in candidates.gateways if gateway.selects(labels)],
        "VirtualGateways",
        pod=f"{namespace}/{name}",
    )
    if node is not None and gateway is not None:
        raise InjectionDenied(
            f"sidecarInject enabled for both virtualNode {node.metadata.name} and virtualGateway "
            f"{gateway.metadata.name} on pod {name}. Please use podSelector on one"
        )
    found = node or gateway
    if found is None and mode == "enabled":
        raise InjectionDenied("sidecarInject enabled but no matching VirtualNode or VirtualGateway found")
    return found or Untouched.UNTOUCHED


def _only(matching: list[M], kind: str, *, pod: str) -> M | None:
    if len(matching) > 1:
        names = ",".join(sorted(item.metadata.name for item in matching))
        raise InjectionDenied(f"found multiple matching {kind} for pod {pod}: {names}")
    return matching[0] if matching else None
