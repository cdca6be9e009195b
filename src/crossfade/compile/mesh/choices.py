"""Annotations with few values: what is chosen, and a word to the author who writes another."""

from typing import Final

from msgspec import Struct

from crossfade.api.appmesh import Mesh, VirtualNode
from crossfade.compile.diagnostics import Diagnostics
from crossfade_kube.registry import typed_ref


class Choice(Struct, frozen=True):
    """The first of `values` is what holds without the annotation, and in place of what is none of them."""

    key: str
    values: tuple[str, ...]

    def of(self, owner: Mesh | VirtualNode) -> str:
        value = owner.metadata.annotations.get(self.key, self.values[0])
        return value if value in self.values else self.values[0]

    def of_either(self, node: VirtualNode, mesh: Mesh) -> str:
        """What the node says, otherwise its mesh."""
        return self.of(node if self.key in node.metadata.annotations else mesh)

    def check(self, owner: Mesh | VirtualNode, diagnostics: Diagnostics) -> None:
        value = owner.metadata.annotations.get(self.key)
        if value is not None and value not in self.values:
            diagnostics.warning(
                typed_ref(owner),
                "annotation.value",
                f"{value!r} is none of {', '.join(self.values)}",
                effect=f"it counts as {self.values[0]}",
                hint="write one of these, or remove the annotation",
                field=f"metadata.annotations[{self.key}]",
            )


LOAD_BALANCING: Final = Choice("crossfade.dev/load-balancing", ("round-robin", "least-request"))
"""On a VirtualNode: which of its endpoints a caller takes."""
HEADER_CASE: Final = Choice("crossfade.dev/header-case", ("lower", "preserve", "proper"))
"""On a Mesh, or on a VirtualNode instead: how names of headers are written in HTTP/1."""
ZONES: Final = Choice("crossfade.dev/zones", ("any", "prefer-own"))
"""On a Mesh, or on a VirtualNode instead: whether callers take endpoints of their own zone first."""
HTTP2_BETWEEN_PROXIES: Final = Choice("crossfade.dev/http2-between-proxies", ("disabled", "enabled"))
"""On a VirtualNode, or on a Mesh for all of its nodes: how callers' sidecars carry requests of HTTP/1 to the node's."""
STATUSES_BY_CLUSTER: Final = Choice("crossfade.dev/statuses-by-cluster", ("disabled", "enabled"))
"""On a Mesh: whether Envoy's own statistics of its proxies have the statuses of each cluster's answers."""
SHORT_NAMES: Final = Choice("crossfade.dev/short-names", ("disabled", "enabled"))
"""On a Mesh: whether virtual services can be called by the shorter names of their Services."""


def wants_http2(node: VirtualNode, mesh: Mesh) -> bool:
    """HTTP/2 has no letter case to preserve."""
    is_asked = HTTP2_BETWEEN_PROXIES.of_either(node, mesh) == "enabled"
    return is_asked and HEADER_CASE.of_either(node, mesh) != "preserve"
