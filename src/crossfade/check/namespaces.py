"""Namespaces that the manifests do not define: mesh membership hangs on their labels, which nobody can know here."""

from collections.abc import Iterator

from msgspec import Struct

from crossfade.api.appmesh import Mesh, VirtualGateway
from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.compile.mesh.admit import MEMBER_KINDS
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace
from crossfade_kube.meta import ObjectMeta
from crossfade_kube.registry import typed_ref


class Assumed(Struct, frozen=True):
    """A snapshot with the namespaces that it lacked, and what was assumed about them."""

    snapshot: Snapshot
    notes: tuple[Diagnostic, ...]


def with_assumed_namespaces(snapshot: Snapshot) -> Assumed:
    """With one mesh only, a namespace is taken to carry the labels that the mesh and its gateways select."""
    meshes = snapshot.all(Mesh)
    if len(meshes) != 1:
        return Assumed(snapshot, ())
    labels = _selected_labels(snapshot, meshes[0])
    missing = dict(_missing(snapshot))
    added = [Namespace(metadata=ObjectMeta(name=name, labels=labels)) for name in missing]
    return Assumed(snapshot.with_changes(added, ()), tuple(missing.values()))


def _missing(snapshot: Snapshot) -> Iterator[tuple[str, Diagnostic]]:
    seen = set()
    for kind in MEMBER_KINDS:
        for item in snapshot.all(kind):
            name = item.metadata.namespace
            if name in seen or item.spec.mesh_ref is not None or snapshot.get(Namespace, "", name) is not None:
                continue
            seen.add(name)
            text = f"Namespace {name} is not among the manifests: it is taken to carry the labels that the mesh selects"
            yield name, Diagnostic(typed_ref(item), "namespace.assumed", text, severity=Severity.NOTE)


def _selected_labels(snapshot: Snapshot, mesh: Mesh) -> dict[str, str]:
    selectors = [mesh.spec.namespace_selector, *(each.spec.namespace_selector for each in snapshot.all(VirtualGateway))]
    labels: dict[str, str] = {}
    for selector in reversed(selectors):
        labels |= selector.match_labels if selector is not None else {}
    return labels
