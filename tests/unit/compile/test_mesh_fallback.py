from typing import Any, TypeVar

from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualRouter, VirtualService
from crossfade.compile.mesh import Accepted, ArnScope, Compiled, Refusals, Refused, compile_with_fallback, current
from crossfade.compile.routing.routes import Forward, Respond
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import TypedObject, decode, typed_ref

T = TypeVar("T", VirtualNode, VirtualRouter, VirtualService)

CALLER = "mesh/m/virtualNode/caller_prod"
MESH_REF = {"name": "m"}


def made(kind: type[T], name: str, spec: dict[str, Any]) -> T:
    return decode({"metadata": {"name": name, "namespace": "prod"}, "spec": {"meshRef": MESH_REF, **spec}}, kind)


def node(name: str) -> VirtualNode:
    listeners = [{"portMapping": {"port": 80, "protocol": "http"}}]
    discovery = {"dns": {"hostname": f"{name}.prod"}}
    return made(VirtualNode, name, {"listeners": listeners, "serviceDiscovery": discovery})


def router(*targets: tuple[str, int]) -> VirtualRouter:
    weighted = [{"virtualNodeRef": {"name": name}, "weight": weight} for name, weight in targets]
    routes = [{"name": "r", "httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": weighted}}}]
    listeners = [{"portMapping": {"port": 80, "protocol": "http"}}]
    return made(VirtualRouter, "jazz", {"listeners": listeners, "routes": routes})


def compiled(accepted: Accepted, *objects: TypedObject, refusals: Refusals | None = None) -> Compiled:
    fixed = (
        decode({"metadata": {"name": "m"}}, Mesh),
        made(VirtualNode, "caller", {"backends": [{"virtualService": {"virtualServiceRef": {"name": "jazz"}}}]}),
        made(VirtualService, "jazz", {"provider": {"virtualRouter": {"virtualRouterRef": {"name": "jazz"}}}}),
    )
    return compile_with_fallback(Snapshot.of([*fixed, *objects]), ArnScope(), accepted, refusals)


def clusters(found: Compiled) -> list[tuple[str, int]]:
    action = found.model.proxies[CALLER].route_tables[0].virtual_hosts[0].routes[0].action
    assert isinstance(action, Forward)
    return [(destination.cluster.split("_")[3], destination.weight) for destination in action.destinations]


def test_a_router_that_is_ahead_of_its_new_node_keeps_its_last_weights() -> None:
    before = compiled({}, node("v1"), router(("v1", 100)))
    early = compiled(before.accepted, node("v1"), router(("v1", 95), ("v2", 5)))
    after = compiled(early.accepted, node("v1"), node("v2"), router(("v1", 95), ("v2", 5)))
    assert clusters(early) == [("v1", 100)]
    assert clusters(after) == [("v1", 95), ("v2", 5)]
    state = early.model.states[typed_ref(router())]
    assert not state.is_active
    assert state.message.startswith("the last working version stays in force: ")
    assert after.model.states[typed_ref(router())].is_active


def test_without_a_last_version_the_unknown_share_fails_in_sight() -> None:
    found = compiled({}, node("v1"), router(("v1", 95), ("v2", 5)))
    assert [weight for _, weight in clusters(found)] == [95, 5]
    assert clusters(found)[1][0].startswith("unresolved")


def test_weights_of_zero_are_kept_as_written() -> None:
    before = compiled({}, node("v1"), router(("v1", 100)))
    zero = compiled(before.accepted, node("v1"), router(("v1", 0)))
    action = zero.model.proxies[CALLER].route_tables[0].virtual_hosts[0].routes[0].action
    assert isinstance(action, Respond)
    assert action.status == 503


def test_an_object_of_the_same_name_but_another_life_has_no_past() -> None:
    before = compiled({}, node("v1"), router(("v1", 100)))
    new = router(("v1", 50), ("v2", 50))
    reborn = structs.replace(new, metadata=structs.replace(new.metadata, uid="other"))
    assert len(clusters(compiled(before.accepted, node("v1"), reborn))) == 2


def test_what_was_deleted_is_forgotten() -> None:
    before = compiled({}, node("v1"), router(("v1", 100)))
    gone = compiled(before.accepted, node("v1"))
    assert typed_ref(router()) not in gone.accepted


# --- what a proxy refuses --------------------------------------------------------------------------------------


def refusing(version: VirtualRouter) -> Refusals:
    return {typed_ref(version): Refused(version.spec, "it is too long")}


def test_a_refused_version_gives_way_to_the_last_one_and_says_so() -> None:
    good, bad = router(("v1", 100)), router(("v1", 1), ("v2", 1))
    nodes = node("v1"), node("v2")
    before = compiled({}, *nodes, good)
    applied = compiled(before.accepted, *nodes, bad)
    found = compiled(applied.accepted, *nodes, bad, refusals=refusing(bad))
    assert clusters(found) == [("v1", 100)]
    state = found.model.states[typed_ref(bad)]
    assert not state.is_active
    assert state.message == "the last working version stays in force: proxies refuse it: it is too long"
    assert [one.code for one in found.model.diagnostics] == ["proxy.refuses"]
    again = compiled(found.accepted, *nodes, bad, refusals=refusing(bad))
    assert clusters(again) == [("v1", 100)]


def test_a_refusal_ends_with_the_next_version() -> None:
    bad, better = router(("v1", 1), ("v2", 1)), router(("v2", 1))
    nodes = node("v1"), node("v2")
    found = compiled({}, *nodes, better, refusals=refusing(bad))
    assert clusters(found) == [("v2", 1)]
    assert found.model.states[typed_ref(bad)].is_active
    assert current(Snapshot.of([better]), refusing(bad)) == {}
    assert current(Snapshot.of([bad]), refusing(bad)) == refusing(bad)


def test_without_a_last_version_a_refused_router_routes_nothing() -> None:
    bad = router(("v1", 1))
    found = compiled({}, node("v1"), bad, refusals=refusing(bad))
    (table,) = found.model.proxies[CALLER].route_tables
    assert table.virtual_hosts[0].routes == ()


def test_two_refused_versions_in_a_row_lead_back_to_the_one_before_them() -> None:
    nodes = node("v1"), node("v2")
    accepted: Accepted = {}
    for version in (router(("v1", 100)), router(("v1", 1), ("v2", 1)), router(("v2", 100))):
        accepted = compiled(accepted, *nodes, version).accepted
    first, second = router(("v1", 1), ("v2", 1)), router(("v2", 100))
    accepted = compiled(accepted, *nodes, first, refusals=refusing(first)).accepted
    assert clusters(compiled(accepted, *nodes, second, refusals=refusing(second))) == [("v1", 100)]
