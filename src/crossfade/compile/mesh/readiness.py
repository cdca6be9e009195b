"""Which pods of a mesh are ready and which fail, as EndpointSlices say: what tells that errors spread."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from crossfade.compile.mesh.endpoints import EndpointSource, SourcesByCluster
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import EndpointSlice
from crossfade_kube.meta import NamespacedName


class Readiness(NamedTuple):
    """Pods as `<namespace>/<name>`. One that is ending is in neither; one that starts is failing."""

    ready: frozenset[str]
    failing: frozenset[str]


def services_of(sources: SourcesByCluster) -> frozenset[NamespacedName]:
    """Behind the nodes of a mesh."""
    return frozenset(source.service for source in sources.values() if isinstance(source, EndpointSource))


def readiness(snapshot: Snapshot, services: AbstractSet[NamespacedName]) -> Readiness:
    """Of pods behind these Services. A pod that one of them finds ready is ready."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for item in snapshot.all(EndpointSlice):
        if NamespacedName(item.metadata.namespace, item.service_name or "") in services:
            for pod, is_ready in _pods(item):
                found[is_ready].add(pod)
    return Readiness(frozenset(found[True]), frozenset(found[False] - found[True]))


def _pods(item: EndpointSlice) -> Iterable[tuple[str, bool]]:
    for end in item.endpoints:
        target = end.target_ref
        if target is not None and target.kind == "Pod" and not end.is_terminating:
            yield f"{target.namespace or item.metadata.namespace}/{target.name}", end.is_ready
