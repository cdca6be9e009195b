"""Last pass: which objects count as active, and under which ARN (appmesh.md §1.1, §5.2)."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from crossfade.api.appmesh import (
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.api.appmesh.virtual_router import Route, WeightedTarget
from crossfade.compile.diagnostics import Diagnostic, Diagnostics, Severity
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.mesh import names
from crossfade.compile.mesh.admit import MEMBER_KINDS, Admitted, Member, Members, Named
from crossfade.compile.mesh.gateway_members import gateway_of
from crossfade.compile.mesh.gateway_routes import route_kind
from crossfade.compile.mesh.links import Links
from crossfade.compile.mesh.membership import Refusal
from crossfade.compile.mesh.model import ObjectState
from crossfade.compile.mesh.names import ArnScope
from crossfade.compile.mesh.services import provider_of
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import TypedObject, typed_ref

# Each kind after those it depends on.
_ORDER: Final[tuple[type[Named], ...]] = (VirtualNode, VirtualRouter, VirtualService, VirtualGateway, GatewayRoute)


Dependency: TypeAlias = VirtualNode | VirtualRouter | VirtualService | VirtualGateway
_WORDS: Final[dict[type[Dependency], str]] = {
    VirtualNode: "virtualNode",
    VirtualRouter: "virtualRouter",
    VirtualService: "virtualService",
    VirtualGateway: "virtualGateway",
}


_NOT_JUDGED: Final = "a fault in Crossfade keeps its state from being known"


class _Surroundings(NamedTuple):
    """`inactive` are the objects known not to be active, of the kinds that come first."""

    members: Members
    links: Links
    snapshot: Snapshot
    scope: ArnScope
    memo: Memo
    inactive: set[ObjectRef]


class _Seen(NamedTuple):
    """What a state depends on besides the object: what it `waits_for`, and its `owner`'s awsName in its path."""

    waits_for: str = ""
    owner: str = ""


_NOTHING_SEEN: Final = _Seen()


def object_states(
    snapshot: Snapshot,
    meshes: Mapping[str, Members],
    links: Mapping[str, Links],
    *,
    scope: ArnScope,
    memo: Memo,
    diagnostics: Diagnostics,
) -> dict[ObjectRef, ObjectState]:
    """Every App Mesh object's state; BackendGroups have none."""
    errors = texts_of(diagnostics, Severity.ERROR)
    notes = texts_of(diagnostics, Severity.WARNING)
    states: dict[ObjectRef, ObjectState] = {}
    for name, members in meshes.items():
        mesh = members.mesh
        own = typed_ref(mesh)
        states[own] = ObjectState(scope.arn(names.mesh_path(mesh.aws_name)), is_active=True, note=notes.get(own, ""))
        surroundings = _Surroundings(members, links[name], snapshot, scope, memo, set())
        for kind in _ORDER:
            found = _states_of(kind, errors, notes, surroundings, diagnostics)
            states |= found
            surroundings.inactive.update(ref for ref, state in found.items() if not state.is_active)
    states |= {
        ref: ObjectState("", is_active=False, message=errors[ref]) for ref in _left_out(errors, states, snapshot)
    }
    return states


def _left_out(
    errors: Iterable[ObjectRef], states: Mapping[ObjectRef, ObjectState], snapshot: Snapshot
) -> Iterator[ObjectRef]:
    """App Mesh objects that are no members of a mesh, for some reason that was told."""
    kinds: tuple[type[TypedObject], ...] = (Mesh, *MEMBER_KINDS)
    by_name = {kind.RESOURCE.kind: kind for kind in kinds}
    for ref in errors:
        kind = by_name.get(ref.kind)
        item = snapshot.get(kind, ref.namespace, ref.name) if kind is not None and ref not in states else None
        if item is not None and typed_ref(item) == ref:
            yield ref


def _states_of(
    kind: type[Named],
    errors: Mapping[ObjectRef, str],
    notes: Mapping[ObjectRef, str],
    surroundings: _Surroundings,
    diagnostics: Diagnostics,
) -> dict[ObjectRef, ObjectState]:
    members, scope = surroundings.members, surroundings.scope

    def state(item: Named, problem: str, note: str, seen: _Seen | None, _: Diagnostics) -> ObjectState:
        return _state(item, problem, note, seen, members.mesh.aws_name, scope)

    admitted = members.admitted(kind)
    # Routes of gateways alone have something to see while all is well.
    sees_nothing = not surroundings.inactive and kind is not GatewayRoute
    inputs = (
        (
            one.item,
            errors.get(one.ref, ""),
            notes.get(one.ref, ""),
            _NOTHING_SEEN if sees_nothing else _seen_by(one, surroundings, diagnostics),
        )
        for one in admitted
    )
    key = ("states", members.mesh.metadata.name, kind)
    found = surroundings.memo.each(key, inputs, (members.mesh, scope), state, diagnostics)
    return {one.ref: state for one, state in zip(admitted, found, strict=True)}


def _seen_by(one: Admitted, surroundings: _Surroundings, diagnostics: Diagnostics) -> _Seen | None:
    return isolated(
        partial(_seen, one.item, surroundings),
        otherwise=None,
        ref=one.ref,
        effect=_NOT_JUDGED,
        diagnostics=diagnostics,
    )


def _seen(item: Member, surroundings: _Surroundings) -> _Seen:
    members, links, snapshot, _, _, inactive = surroundings
    if isinstance(item, GatewayRoute):
        gateway = gateway_of(item, members, snapshot)
        owner = "" if isinstance(gateway, Refusal) else gateway.aws_name
        return _Seen(_gateway_route_waits_for(item, gateway, links, inactive), owner)
    return _Seen(_waits_for(item, links, inactive))


def _state(item: Named, problem: str, note: str, seen: _Seen | None, mesh: str, scope: ArnScope) -> ObjectState:
    if seen is None:
        return ObjectState("", is_active=False, message=problem or _NOT_JUDGED)
    return ObjectState(
        scope.arn(_path(item, mesh, seen.owner)),
        is_active=not problem and not seen.waits_for,
        message=problem or seen.waits_for,
        note=note,
        waits=bool(seen.waits_for) and not problem,
        route_arns=_route_arns(item, mesh, scope) if isinstance(item, VirtualRouter) else (),
    )


def _route_arns(router: VirtualRouter, mesh: str, scope: ArnScope) -> tuple[tuple[str, str], ...]:
    paths = ((route.name, names.route_path(mesh, router.aws_name, route.name)) for route in router.spec.routes)
    return tuple((name, scope.arn(path)) for name, path in paths)


def texts_of(
    diagnostics: Iterable[Diagnostic], severity: Severity, *, with_effect: bool = True
) -> dict[ObjectRef, str]:
    """All of this severity about each object, in one line."""
    found: dict[ObjectRef, list[str]] = {}
    for diagnostic in diagnostics:
        if diagnostic.severity is severity:
            effect = f"; {diagnostic.effect}" if with_effect and diagnostic.effect else ""
            found.setdefault(diagnostic.ref, []).append(f"{diagnostic.placed_message}{effect}")
    return {ref: " | ".join(texts) for ref, texts in found.items()}


def _waits_for(item: Member, links: Links, inactive: AbstractSet[ObjectRef]) -> str:
    """What the object depends on and is not active; a missing dependency is a diagnostic already."""
    if isinstance(item, VirtualService):
        return _inactive(provider_of(item, links), inactive)
    if isinstance(item, VirtualRouter):
        # Routes mention the same nodes again and again.
        distinct = {(target.virtual_node_ref, target.virtual_node_arn): target for target in _targets(item.spec.routes)}
        for target in distinct.values():
            if waiting := _inactive(links.node(target, item.metadata.namespace), inactive):
                return waiting
    return ""


def _gateway_route_waits_for(
    route: GatewayRoute, gateway: VirtualGateway | Refusal, links: Links, inactive: AbstractSet[ObjectRef]
) -> str:
    kind = route_kind(route)
    if kind is None or not inactive:
        return ""
    service = links.service(kind[1].action.target.virtual_service, route.metadata.namespace)
    return _inactive(gateway, inactive) or _inactive(service, inactive)


def _inactive(dependency: Dependency | Refusal | None, inactive: AbstractSet[ObjectRef]) -> str:
    if dependency is None or isinstance(dependency, Refusal) or typed_ref(dependency) not in inactive:
        return ""
    return f"{_WORDS[type(dependency)]} is not active yet: {dependency.metadata.key}"


def _targets(routes: Iterable[Route]) -> Iterable[WeightedTarget]:
    for route in routes:
        for body in (route.http_route, route.http2_route, route.grpc_route, route.tcp_route):
            if body is not None:
                yield from body.action.weighted_targets


def _path(item: Named, mesh: str, owner: str) -> str:
    match item:
        case VirtualNode():
            return names.node_path(mesh, item.aws_name)
        case VirtualService():
            return names.service_path(mesh, item.aws_name)
        case VirtualRouter():
            return names.router_path(mesh, item.aws_name)
        case VirtualGateway():
            return names.gateway_path(mesh, item.aws_name)
        case GatewayRoute():
            return names.gateway_route_path(mesh, owner, item.aws_name)
