"""Status, conditions and finalizers of App Mesh objects (appmesh.md §1.1, §1.10, §5.3)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.isolate import isolated
from crossfade.compile.mesh import ObjectState
from crossfade.status.change import News, ObjectChange
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import Condition, JsonObject, ObjectRef
from crossfade_kube.registry import typed_ref

WithStatus: TypeAlias = Mesh | VirtualNode | VirtualService | VirtualRouter | VirtualGateway | GatewayRoute

FINALIZER_PREFIX: Final = "finalizers.appmesh.k8s.aws/"
MESH_MEMBERS: Final = FINALIZER_PREFIX + "mesh-members"
GATEWAY_MEMBERS: Final = FINALIZER_PREFIX + "virtualgateway-members"

_WITH_STATUS: Final[tuple[type[WithStatus], ...]] = (
    Mesh,
    VirtualNode,
    VirtualService,
    VirtualRouter,
    VirtualGateway,
    GatewayRoute,
)
_ARN_FIELDS: Final[dict[str, str]] = {
    "Mesh": "meshARN",
    "VirtualNode": "virtualNodeARN",
    "VirtualService": "virtualServiceARN",
    "VirtualRouter": "virtualRouterARN",
    "VirtualGateway": "virtualGatewayARN",
    "GatewayRoute": "gatewayRouteARN",
}
# The order in which pending members are named.
_MEMBERS: Final[tuple[tuple[str, type[Any]], ...]] = (
    ("virtualService", VirtualService),
    ("virtualRouter", VirtualRouter),
    ("virtualNode", VirtualNode),
    ("virtualGateway", VirtualGateway),
    ("gatewayRoute", GatewayRoute),
)


def decide_changes(
    snapshot: Snapshot, states: Mapping[ObjectRef, ObjectState], *, now: datetime, diagnostics: Diagnostics
) -> list[ObjectChange]:
    """What has to be written so that every object says what became of it; nothing for those that do."""
    changes: list[ObjectChange] = []
    kinds: tuple[type[WithStatus | BackendGroup], ...] = (*_WITH_STATUS, BackendGroup)
    for kind in kinds:
        for item in snapshot.all(kind):
            changes += isolated(
                partial(_changes_of, item, states.get(typed_ref(item)), snapshot, now),
                otherwise=[],
                ref=typed_ref(item),
                effect="its status is not written",
                diagnostics=diagnostics,
            )
    return changes


def _changes_of(
    item: WithStatus | BackendGroup, state: ObjectState | None, snapshot: Snapshot, now: datetime
) -> list[ObjectChange]:
    changes: list[ObjectChange | None] = []
    if item.metadata.deletion_timestamp:
        changes.append(_release(item, snapshot))
    elif not isinstance(item, BackendGroup):
        if state is not None:
            changes.append(_status_change(item, state, now))
        if isinstance(item, Mesh):
            changes.append(_hold(item, MESH_MEMBERS))
        elif isinstance(item, VirtualGateway):
            changes.append(_hold(item, GATEWAY_MEMBERS))
    return [change for change in changes if change is not None]


# --- status ----------------------------------------------------------------------------------------------------


def _status_change(item: WithStatus, state: ObjectState, now: datetime) -> ObjectChange | None:
    kind = item.RESOURCE.kind
    wanted_type, wanted_status = f"{kind}Active", "True" if state.is_active else "False"
    current = next((found for found in item.status.conditions if found.type == wanted_type), None)
    patch: JsonObject = {}
    news: tuple[News, ...] = ()
    message = state.note if state.is_active else state.message
    reason = (state.note_reason if state.is_active else "") or _reason(wanted_status)
    if current is None or (current.status, current.message) != (wanted_status, message):
        patch["conditions"] = [_condition(current, wanted_type, wanted_status, (reason, message), now)]
        if message and not state.waits:
            news = (News(reason, message),)
    if item.status.observed_generation != item.metadata.generation:
        patch["observedGeneration"] = item.metadata.generation
    # An ARN appears with the first success and stays: other tools have noted it by then.
    if state.is_active and item.status.arn != state.arn:
        patch[_ARN_FIELDS[kind]] = state.arn
    if isinstance(item, VirtualRouter) and state.is_active:
        patch |= _route_arns(item, state)
    if not patch:
        return None
    return _change(item, {"status": patch}, subresource="status", news=news)


def _condition(current: Condition | None, kind: str, status: str, why: tuple[str, str], now: datetime) -> JsonObject:
    """The time moves only when the status flips. `why` is a reason and a message, which may be empty."""
    reason, message = why
    keeps_time = current is not None and current.status == status and current.last_transition_time
    time = current.last_transition_time if current is not None and keeps_time else _rfc3339(now)
    condition = {"type": kind, "status": status, "lastTransitionTime": time}
    return condition | ({"reason": reason, "message": message} if message else {})


def _reason(status: str) -> str:
    return "ReconcileError" if status == "False" else "NotCarriedOut"


def _route_arns(router: VirtualRouter, state: ObjectState) -> JsonObject:
    wanted, known = dict(state.route_arns), router.status.route_arns
    if wanted == known:
        return {}
    # null removes a key in a merge patch.
    return {"routeARNs": {**dict.fromkeys(known.keys() - wanted.keys()), **wanted}}


# --- finalizers ------------------------------------------------------------------------------------------------


def _hold(item: Mesh | VirtualGateway, finalizer: str) -> ObjectChange | None:
    """Only these two wait for others when they are deleted; nothing of the rest exists outside of the cluster."""
    finalizers = item.metadata.finalizers
    return None if finalizer in finalizers else _with_finalizers(item, (*finalizers, finalizer))


def _release(item: WithStatus | BackendGroup, snapshot: Snapshot) -> ObjectChange | None:
    """Also takes finalizers away that the App Mesh controller left behind."""
    kept = tuple(name for name in item.metadata.finalizers if not name.startswith(FINALIZER_PREFIX))
    if kept == item.metadata.finalizers:
        return None
    pending = _pending_members(item, snapshot)
    if pending:
        return _change(item, None, news=(News("PendingMembersDeletion", pending),))
    return _with_finalizers(item, kept)


def _pending_members(item: WithStatus | BackendGroup, snapshot: Snapshot) -> str:
    if isinstance(item, Mesh):
        counts = [(word, _count_in(snapshot.all(kind), item)) for word, kind in _MEMBERS]
        listed = ", ".join(f"{word}: {count}" for word, count in counts if count)
        return f"objects belong to this mesh exists, please delete them to proceed. {listed}" if listed else ""
    if isinstance(item, VirtualGateway):
        count = sum(_is_routed_by(route, item) for route in snapshot.all(GatewayRoute))
        if count:
            return (
                f"objects belonging to this virtualGateway exist, please delete them to proceed. gatewayRoute: {count}"
            )
    return ""


def _count_in(members: Iterable[Any], mesh: Mesh) -> int:
    return sum(
        member.spec.mesh_ref is not None
        and member.spec.mesh_ref.name == mesh.metadata.name
        and member.spec.mesh_ref.uid in ("", mesh.metadata.uid)
        for member in members
    )


def _is_routed_by(route: GatewayRoute, gateway: VirtualGateway) -> bool:
    reference = route.spec.virtual_gateway_ref
    if reference is None:
        return False
    namespace = reference.namespace or route.metadata.namespace
    return (namespace, reference.name) == gateway.metadata.key


def _with_finalizers(item: WithStatus | BackendGroup, finalizers: tuple[str, ...]) -> ObjectChange:
    # With the resourceVersion the server refuses the patch if another writer touched the list meanwhile.
    metadata = {"finalizers": list(finalizers), "resourceVersion": item.metadata.resource_version}
    return _change(item, {"metadata": metadata})


def _change(
    item: WithStatus | BackendGroup,
    patch: JsonObject | None,
    *,
    subresource: str | None = None,
    news: tuple[News, ...] = (),
) -> ObjectChange:
    return ObjectChange(typed_ref(item), item.RESOURCE, item.metadata.resource_version, patch, subresource, news)


def _rfc3339(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
