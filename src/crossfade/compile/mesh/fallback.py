"""Keeps the last good version of an object in force while its newest one is broken.

So a canary whose router arrives before its new virtual node loses no request, and what a proxy refuses costs nobody
else anything. Nothing is kept for what cuts traffic on purpose (all weights 0) or for safety (TLS), nor over a restart:
a version that a proxy refuses then has no effect.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Struct, structs

from crossfade.api.appmesh import GatewayRoute, VirtualGateway, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.diagnostics import Diagnostic, Diagnostics, Severity
from crossfade.compile.isolate import INTERNAL_FAULT
from crossfade.compile.memo import Memo
from crossfade.compile.mesh.admit import Named
from crossfade.compile.mesh.model import MeshModel, ObjectState
from crossfade.compile.mesh.names import ArnScope
from crossfade.compile.mesh.pipeline import compile_routing
from crossfade.compile.mesh.service_names import ANY_CLUSTER, ClusterView
from crossfade.compile.mesh.states import texts_of
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref


class AcceptedOfKind(NamedTuple):
    """`versions` are those without error, the newest first; `items` all objects that were looked at.

    It `is_settled` where each object is the newest of its own versions.
    """

    items: tuple[Named, ...] = ()
    versions: Mapping[ObjectRef, tuple[Named, ...]] = {}
    is_settled: bool = False


Accepted: TypeAlias = Mapping[type[Named], AcceptedOfKind]


class Refused(Struct, frozen=True):
    """A version of an object that a proxy refuses, in Envoy's words."""

    spec: Any
    reason: str


Refusals: TypeAlias = Mapping[ObjectRef, Refused]

PROXY_REFUSES: Final = "proxy.refuses"
_KINDS: Final[tuple[type[Named], ...]] = (VirtualRouter, VirtualService, GatewayRoute, VirtualNode, VirtualGateway)
# Proxies themselves are not replaced for errors of compiling: what is left of them is served.
_ROUTED: Final = (VirtualRouter, VirtualService)
_MOST_VERSIONS: Final = 3
_REPLACEABLE: Final = frozenset(
    {
        INTERNAL_FAULT,
        PROXY_REFUSES,
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


class Memories:
    """Of one series of compilations: of the newest objects, and of those in force where that differs."""

    def __init__(self) -> None:
        self.newest = Memo()
        self.in_force = Memo()


class _Choice(Struct):
    """What is compiled instead of the newest versions; None leaves the object out."""

    replaced: dict[ObjectRef, Named | None]
    accepted: dict[type[Named], AcceptedOfKind]


def compile_with_fallback(
    snapshot: Snapshot,
    scope: ArnScope,
    accepted: Accepted,
    refusals: Refusals | None = None,
    *,
    cluster: ClusterView = ANY_CLUSTER,
    memories: Memories | None = None,
) -> Compiled:
    """All but endpoints. States and diagnostics are those of the newest objects, even where older ones are in force."""
    memories = memories or Memories()
    newest = _with_refusals(compile_routing(snapshot, scope, cluster, memories.newest), snapshot, refusals or {})
    choice = _chosen(snapshot, _errors(newest.diagnostics), accepted, refusals or {})
    if not choice.replaced:
        return Compiled(newest, choice.accepted)
    in_force = compile_routing(_with(snapshot, choice.replaced), scope, cluster, memories.in_force)
    problems = texts_of(newest.diagnostics, Severity.ERROR, with_effect=False)
    noted = {
        ref: _noted(newest.states[ref], problems[ref])
        for ref, version in choice.replaced.items()
        if version is not None and ref in newest.states
    }
    model = structs.replace(
        newest,
        proxies=in_force.proxies,
        sources=in_force.sources,
        registrations=in_force.registrations,
        states={**newest.states, **noted},
        faults=(*newest.faults, *in_force.faults),
    )
    return Compiled(model, choice.accepted)


def current(snapshot: Snapshot, refusals: Refusals) -> dict[ObjectRef, Refused]:
    """Those that still stand: the object has not changed since."""
    if not refusals:
        return {}
    found: dict[ObjectRef, Refused] = {}
    for ref, refused in refusals.items():
        item = refusable(snapshot, ref)
        if item is not None and typed_ref(item) == ref and refused.spec == item.spec:
            found[ref] = refused
    return found


def refusable(snapshot: Snapshot, ref: ObjectRef) -> Named | None:
    """The object, if it is of a kind that can be held back."""
    kinds: dict[str, type[Named]] = {kind.RESOURCE.kind: kind for kind in _KINDS}
    kind = kinds.get(ref.kind)
    return None if kind is None else snapshot.get(kind, ref.namespace, ref.name)


def _chosen(
    snapshot: Snapshot, errors: Mapping[ObjectRef, frozenset[str]], accepted: Accepted, refusals: Refusals
) -> _Choice:
    choice = _Choice({}, {})
    concerned = {ref.kind for ref in (*errors, *refusals)}
    for kind in _KINDS:
        before, items = accepted.get(kind, _NONE_ACCEPTED), snapshot.all(kind)
        is_concerned = kind.RESOURCE.kind in concerned
        if before.is_settled and before.items is items and not is_concerned:
            choice.accepted[kind] = before
            continue
        versions = before.versions
        choice.accepted[kind] = AcceptedOfKind(
            items,
            {ref: _versions(ref, item, versions, errors, refusals, choice) for item, ref in map(_with_ref, items)},
            is_settled=not is_concerned,
        )
    return choice


_NONE_ACCEPTED: Final = AcceptedOfKind()


def _with_ref(item: Named) -> tuple[Named, ObjectRef]:
    return item, typed_ref(item)


def _versions(
    ref: ObjectRef,
    item: Named,
    versions: Mapping[ObjectRef, tuple[Named, ...]],
    errors: Mapping[ObjectRef, frozenset[str]],
    refusals: Refusals,
    choice: _Choice,
) -> tuple[Named, ...]:
    """Those that are accepted from now on; what is compiled instead of the object goes into `choice`."""
    known, codes, refused = versions.get(ref, ()), errors.get(ref), refusals.get(ref)
    if refused is not None:
        known = tuple(one for one in known if one.spec != refused.spec)
    if codes is None:
        return _remembered(item, known)
    if PROXY_REFUSES in codes:
        choice.replaced[ref] = known[0] if known else _fallback(item)
    elif known and codes <= _REPLACEABLE and isinstance(item, _ROUTED) and known[0].spec != item.spec:
        choice.replaced[ref] = known[0]
    return known


def _remembered(item: Named, known: tuple[Named, ...]) -> tuple[Named, ...]:
    """A change of metadata makes no other version."""
    if known and known[0] is item:
        return known
    older = tuple(one for one in known if one.spec != item.spec)
    return (item, *older)[:_MOST_VERSIONS]


def _fallback(item: Named) -> Named | None:
    """Of an object that never worked: nothing that could open what it was to close."""
    if isinstance(item, VirtualRouter):
        return structs.replace(item, spec=structs.replace(item.spec, routes=()))
    if isinstance(item, VirtualNode | VirtualGateway):
        return item
    return None


def _with_refusals(model: MeshModel, snapshot: Snapshot, refusals: Refusals) -> MeshModel:
    standing = current(snapshot, refusals)
    if not standing:
        return model
    diagnostics = Diagnostics()
    for ref, refused in standing.items():
        diagnostics.error(
            ref,
            PROXY_REFUSES,
            f"proxies refuse it: {refused.reason}",
            effect="its last working version stays in force, or nothing where there is none",
            hint="change what Envoy complains about",
        )
    states = {ref: _refused_state(state, standing.get(ref)) for ref, state in model.states.items()}
    return structs.replace(model, diagnostics=tuple(sorted((*model.diagnostics, *diagnostics))), states=states)


def _refused_state(state: ObjectState, refused: Refused | None) -> ObjectState:
    if refused is None:
        return state
    message = " | ".join(text for text in (state.message, f"proxies refuse it: {refused.reason}") if text)
    return structs.replace(state, is_active=False, waits=False, message=message)


def _errors(diagnostics: tuple[Diagnostic, ...]) -> dict[ObjectRef, frozenset[str]]:
    codes: dict[ObjectRef, set[str]] = {}
    for diagnostic in diagnostics:
        if diagnostic.severity is Severity.ERROR:
            codes.setdefault(diagnostic.ref, set()).add(diagnostic.code)
    return {ref: frozenset(found) for ref, found in codes.items()}


def _with(snapshot: Snapshot, replaced: Mapping[ObjectRef, Named | None]) -> Snapshot:
    """What is not replaced is shared, so that it need not be compiled again."""
    present = [version for version in replaced.values() if version is not None]
    gone = (refusable(snapshot, ref) for ref, version in replaced.items() if version is None)
    return snapshot.with_changes(present, [item for item in gone if item is not None])


def _noted(state: ObjectState, problem: str) -> ObjectState:
    return structs.replace(state, message=f"the last working version stays in force: {problem}")
