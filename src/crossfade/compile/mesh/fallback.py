"""Keeps the last good version of a virtual router or service in force while its newest one is broken.

So a canary whose router arrives before its new virtual node loses no request. Nothing is kept for what cuts traffic on
purpose (all weights 0) or for safety (TLS), nor over a restart.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualRouter, VirtualService
from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.compile.mesh.admit import MEMBER_KINDS
from crossfade.compile.mesh.model import MeshModel, ObjectState
from crossfade.compile.mesh.names import ArnScope
from crossfade.compile.mesh.pipeline import compile_mesh
from crossfade.compile.mesh.states import error_texts
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import TypedObject, typed_ref

Accepted: TypeAlias = Mapping[ObjectRef, VirtualRouter | VirtualService]

_KINDS: Final[tuple[type[VirtualRouter] | type[VirtualService], ...]] = (VirtualRouter, VirtualService)
_REPLACEABLE: Final = frozenset(
    {
        "route.kind",
        "route.match",
        "route.no-listener",
        "route.tcp-duplicate",
        "route.unknown-target",
        "router.no-listener",
        "service.no-discovery",
        "service.no-listener",
        "service.unknown-provider",
    }
)


class Compiled(NamedTuple):
    """`accepted` goes into the next compilation."""

    model: MeshModel
    accepted: Accepted


def compile_with_fallback(snapshot: Snapshot, scope: ArnScope, accepted: Accepted) -> Compiled:
    """States and diagnostics are those of the newest objects, even where older ones are in force."""
    newest = compile_mesh(snapshot, scope)
    errors = _errors(newest.diagnostics)
    replaced: dict[ObjectRef, VirtualRouter | VirtualService] = {}
    keep: dict[ObjectRef, VirtualRouter | VirtualService] = {}
    for kind in _KINDS:
        for item in snapshot.all(kind):
            ref = typed_ref(item)
            codes = errors.get(ref, frozenset())
            if not codes:
                keep[ref] = item
            elif ref in accepted:
                keep[ref] = accepted[ref]
                if codes <= _REPLACEABLE and accepted[ref].spec != item.spec:
                    replaced[ref] = accepted[ref]
    if not replaced:
        return Compiled(newest, keep)
    in_force = compile_mesh(_with(snapshot, replaced), scope)
    problems = error_texts(newest.diagnostics, with_effect=False)
    noted = {ref: _noted(newest.states[ref], problems[ref]) for ref in replaced}
    states = {**newest.states, **noted}
    return Compiled(structs.replace(newest, proxies=in_force.proxies, states=states), keep)


def _errors(diagnostics: tuple[Diagnostic, ...]) -> dict[ObjectRef, frozenset[str]]:
    codes: dict[ObjectRef, set[str]] = {}
    for diagnostic in diagnostics:
        if diagnostic.severity is Severity.ERROR:
            codes.setdefault(diagnostic.ref, set()).add(diagnostic.code)
    return {ref: frozenset(found) for ref, found in codes.items()}


def _with(snapshot: Snapshot, replaced: Mapping[ObjectRef, VirtualRouter | VirtualService]) -> Snapshot:
    kinds: tuple[type[TypedObject], ...] = (Namespace, Mesh, *MEMBER_KINDS)
    objects = {
        kind: {item.metadata.key: replaced.get(typed_ref(item), item) for item in snapshot.all(kind)} for kind in kinds
    }
    return Snapshot(snapshot.revision, objects)


def _noted(state: ObjectState, problem: str) -> ObjectState:
    return structs.replace(state, message=f"the last working version stays in force: {problem}")
