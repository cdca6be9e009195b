"""Which zone pods run in, as EndpointSlices say: so no object of a Node has to be read."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.memo import Memo
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import EndpointSlice

Zones: TypeAlias = Mapping[str, str]
"""By `<namespace>/<pod>`, as proxies call themselves."""
NO_ZONES: Final[Zones] = MappingProxyType({})


def pod_zones(snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics) -> Zones:
    """The same object as before while nothing of it changes. A pod that no Service selects is in no zone."""
    slices = ((item,) for item in snapshot.all(EndpointSlice))
    parts = memo.each("zones of slices", slices, (), _zones, diagnostics)

    def joined(_: Diagnostics) -> Zones:
        return {pod: zone for part in parts for pod, zone in part}

    return memo.of("zones", (parts,), joined, diagnostics)


def _zones(item: EndpointSlice, _: Diagnostics) -> tuple[tuple[str, str], ...]:
    found = ((end.target_ref, end.zone) for end in item.endpoints if end.zone)
    return tuple(
        (f"{target.namespace or item.metadata.namespace}/{target.name}", zone)
        for target, zone in found
        if target is not None and target.kind == "Pod"
    )
