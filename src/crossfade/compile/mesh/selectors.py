"""Selectors that select nothing, or what another one has already (appmesh.md §2.2, §4.1)."""

from collections.abc import Iterable
from functools import partial
from typing import TypeAlias

from crossfade.api.appmesh import Mesh, VirtualGateway, VirtualNode
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.memo import Memo
from crossfade.compile.mesh.admit import MEMBER_KINDS, Members
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace
from crossfade_kube.meta import LabelSelector
from crossfade_kube.registry import typed_ref

_Selects: TypeAlias = VirtualNode | VirtualGateway


def check_selectors(members: Members, snapshot: Snapshot, memo: Memo, diagnostics: Diagnostics) -> None:
    _check_namespaces(members, snapshot, diagnostics)
    nodes, gateways = members.all(VirtualNode), members.all(VirtualGateway)
    check = partial(_check_pods, (*nodes, *gateways))
    memo.of(("pods selected", members.mesh.metadata.name), (nodes, gateways), check, diagnostics)


def _check_namespaces(members: Members, snapshot: Snapshot, diagnostics: Diagnostics) -> None:
    """Told only while nothing is in the mesh: what has joined stays when labels change.

    Without any namespace these are manifests that do not say what labels theirs have.
    """
    selector, namespaces = members.mesh.spec.namespace_selector, snapshot.all(Namespace)
    if any(members.all(kind) for kind in MEMBER_KINDS):
        return
    if selector is None:
        problem, hint = "the mesh has no namespaceSelector", "add one (`{}` selects all namespaces)"
        _tell_of_namespaces(members.mesh, problem, hint, diagnostics)
    elif namespaces and not any(selector.matches(one.metadata.labels) for one in namespaces):
        problem = "no namespace has the labels that the mesh's namespaceSelector asks for"
        _tell_of_namespaces(members.mesh, problem, "label the namespaces that belong to it", diagnostics)


def _tell_of_namespaces(mesh: Mesh, problem: str, hint: str, diagnostics: Diagnostics) -> None:
    diagnostics.warning(
        typed_ref(mesh),
        "mesh.no-namespace",
        problem,
        effect="no object can join the mesh",
        hint=hint,
        field="spec.namespaceSelector",
    )


def _check_pods(owners: Iterable[_Selects], diagnostics: Diagnostics) -> None:
    """Injection refuses a pod that two of them select; of those with the same selector the younger is told."""
    first: dict[object, _Selects] = {}
    for owner in sorted(owners, key=lambda owner: owner.metadata.age):
        selector = owner.spec.pod_selector
        if selector is None:
            continue
        other = first.setdefault((owner.metadata.namespace, _comparable(selector)), owner)
        if other is not owner:
            diagnostics.warning(
                typed_ref(owner),
                "node.same-pods",
                f"{typed_ref(other)} selects the same pods",
                effect="pods with these labels cannot be created",
                hint="give the pods of the two labels that tell them apart",
                field="spec.podSelector",
            )


def _comparable(selector: LabelSelector) -> object:
    return frozenset(selector.match_labels.items()), frozenset(selector.match_expressions)
