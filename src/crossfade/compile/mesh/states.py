"""Last pass: which objects count as active, and under which ARN (appmesh.md §1.1, §5.2)."""

from collections.abc import Iterable, Mapping
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
from crossfade.compile.mesh.admit import MEMBER_KINDS, Members, Named
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
    members: Members
    links: Links
    snapshot: Snapshot
    scope: ArnScope
    memo: Memo


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
        surroundings = _Surroundings(members, links[name], snapshot, scope, memo)
        for kind in _ORDER:
            for item in members.all(kind):
                ref = typed_ref(item)
                problem, note = errors.get(ref, ""), notes.get(ref, "")
                states[ref] = isolated(
                    partial(_state, item, problem, note, surroundings, states),
                    otherwise=ObjectState("", is_active=False, message=problem or _NOT_JUDGED),
                    ref=ref,
                    effect=_NOT_JUDGED,
                    diagnostics=diagnostics,
                )
    kinds: tuple[type[TypedObject], ...] = (Mesh, *MEMBER_KINDS)
    for left_out_kind in kinds:
        for left_out in snapshot.all(left_out_kind):
            ref = typed_ref(left_out)
            if ref not in states and ref in errors:
                states[ref] = ObjectState("", is_active=False, message=errors[ref])
    return states


def _state(
    item: Named, problem: str, note: str, surroundings: _Surroundings, states: Mapping[ObjectRef, ObjectState]
) -> ObjectState:
    members, links, snapshot, scope, memo = surroundings
    waiting = _waits_for(item, links, states) or _gateway_route_waits_for(item, members, snapshot, links, states)
    return ObjectState(
        scope.arn(_path(item, members, snapshot)),
        is_active=not problem and not waiting,
        message=problem or waiting,
        note=note,
        waits=bool(waiting) and not problem,
        route_arns=_route_arns(item, members, scope, memo) if isinstance(item, VirtualRouter) else (),
    )


def _route_arns(router: VirtualRouter, members: Members, scope: ArnScope, memo: Memo) -> tuple[tuple[str, str], ...]:
    mesh = members.mesh

    def make(_: Diagnostics) -> tuple[tuple[str, str], ...]:
        paths = ((one.name, names.route_path(mesh.aws_name, router.aws_name, one.name)) for one in router.spec.routes)
        return tuple((name, scope.arn(path)) for name, path in paths)

    return memo.of(("arns", router.metadata.key), (router, mesh), make, Diagnostics())


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


def _waits_for(item: Named, links: Links, states: Mapping[ObjectRef, ObjectState]) -> str:
    """What the object depends on and is not active; a missing dependency is a diagnostic already."""
    if isinstance(item, VirtualService):
        return _inactive(provider_of(item, links), states)
    if isinstance(item, VirtualRouter):
        # Routes mention the same nodes again and again.
        distinct = {(target.virtual_node_ref, target.virtual_node_arn): target for target in _targets(item.spec.routes)}
        for target in distinct.values():
            if waiting := _inactive(links.node(target, item.metadata.namespace), states):
                return waiting
    return ""


def _gateway_route_waits_for(
    item: Named, members: Members, snapshot: Snapshot, links: Links, states: Mapping[ObjectRef, ObjectState]
) -> str:
    kind = route_kind(item) if isinstance(item, GatewayRoute) else None
    if kind is None or not isinstance(item, GatewayRoute):
        return ""
    service = links.service(kind[1].action.target.virtual_service, item.metadata.namespace)
    return _inactive(gateway_of(item, members, snapshot), states) or _inactive(service, states)


def _inactive(dependency: Dependency | Refusal | None, states: Mapping[ObjectRef, ObjectState]) -> str:
    if dependency is None or isinstance(dependency, Refusal):
        return ""
    state = states.get(typed_ref(dependency))
    if state is not None and state.is_active:
        return ""
    return f"{_WORDS[type(dependency)]} is not active yet: {dependency.metadata.key}"


def _targets(routes: Iterable[Route]) -> Iterable[WeightedTarget]:
    for route in routes:
        for body in (route.http_route, route.http2_route, route.grpc_route, route.tcp_route):
            if body is not None:
                yield from body.action.weighted_targets


def _path(item: Named, members: Members, snapshot: Snapshot) -> str:
    name = members.mesh.aws_name
    match item:
        case VirtualNode():
            return names.node_path(name, item.aws_name)
        case VirtualService():
            return names.service_path(name, item.aws_name)
        case VirtualRouter():
            return names.router_path(name, item.aws_name)
        case VirtualGateway():
            return names.gateway_path(name, item.aws_name)
        case GatewayRoute():
            gateway = gateway_of(item, members, snapshot)
            owner = "" if isinstance(gateway, Refusal) else gateway.aws_name
            return names.gateway_route_path(name, owner, item.aws_name)
