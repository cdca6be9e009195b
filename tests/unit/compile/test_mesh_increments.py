"""A series of compilations comes to what each would come to by itself, and does again only what a change touches."""

from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.compile.mesh import ArnScope, MeshCompiler, MeshModel, Refused, compile_with_fallback
from crossfade.compile.mesh.admit import MEMBER_KINDS
from crossfade.compile.mesh.fallback import Accepted, Memories
from crossfade.compile.mesh.steady import SteadyObjects
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Namespace, Service
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import TypedObject, decode, typed_ref

Spec = JsonObject
PORTS: Final = ("http", "http2", "tcp")
CALLER, GROUPED, GATE = (
    "mesh/m/virtualNode/caller_prod",
    "mesh/m/virtualNode/grouped_prod",
    "mesh/m/virtualGateway/gate_prod",
)


def backend(name: str) -> JsonObject:
    return {"virtualService": {"virtualServiceRef": {"name": name}}}


def node(protocol: str = "http", *, backends: tuple[str, ...] = (), groups: tuple[str, ...] = ()) -> Spec:
    listeners = [{"portMapping": {"port": 80, "protocol": protocol}}]
    discovery = {"dns": {"hostname": "jazz.prod.svc.cluster.local"}}
    named = [{"name": group} for group in groups]
    return {
        "listeners": listeners,
        "serviceDiscovery": discovery,
        "backends": list(map(backend, backends)),
        "backendGroups": named,
    }


def router(prefix: str, *targets: str) -> Spec:
    weighted = [{"virtualNodeRef": {"name": name}, "weight": 1} for name in targets]
    routes = [{"name": "r", "httpRoute": {"match": {"prefix": prefix}, "action": {"weightedTargets": weighted}}}]
    return {"listeners": [{"portMapping": {"port": 80, "protocol": "http"}}], "routes": routes}


def by_router(name: str) -> Spec:
    return {"provider": {"virtualRouter": {"virtualRouterRef": {"name": name}}}}


def by_node(name: str) -> Spec:
    return {"provider": {"virtualNode": {"virtualNodeRef": {"name": name}}}}


def gateway(*ports: int) -> Spec:
    return {
        "namespaceSelector": {"matchLabels": {"gate": "open"}},
        "listeners": [{"portMapping": {"port": port, "protocol": "http"}} for port in ports],
    }


def gateway_route(prefix: str, service: str, *, is_bound: bool = True) -> Spec:
    target = {"virtualService": {"virtualServiceRef": {"name": service}}}
    bound = {"virtualGatewayRef": {"name": "gate", "namespace": "prod"}} if is_bound else {}
    return {"httpRoute": {"match": {"prefix": prefix}, "action": {"target": target}}, **bound}


def group(*services: str) -> Spec:
    return {"virtualservices": [{"name": name} for name in services]}


# The first of each is there from the beginning.
STATES: Final[Mapping[tuple[type[TypedObject], str], tuple[Spec, ...]]] = {
    (Mesh, "m"): ({}, {"egressFilter": {"type": "ALLOW_ALL"}}),
    (VirtualNode, "v1"): (node(), node("http2"), node("tcp"), {}),
    (VirtualNode, "v2"): (node(), {"awsName": "v1_prod"}),
    (VirtualNode, "caller"): (node(backends=("jazz", "blues")), node(backends=("ghost",))),
    (VirtualNode, "grouped"): (
        node(groups=("all",)),
        node(groups=("*",)),
        node(backends=("blues",), groups=("ghost",)),
    ),
    (VirtualRouter, "jazz"): (router("/", "v1"), router("/a", "v1", "v2"), router("/", "ghost"), router("b", "v1")),
    (VirtualRouter, "blues"): (router("/", "v2"), {"awsName": "jazz_prod"}),
    (VirtualService, "jazz"): (by_router("jazz"), by_node("v1"), {}, by_router("ghost")),
    (VirtualService, "blues"): (by_node("v2"), by_router("blues"), {"awsName": "jazz.prod", **by_node("v2")}),
    (BackendGroup, "all"): (group("jazz", "blues"), group("ghost"), group()),
    (BackendGroup, "ghost"): (group("jazz"), group("blues")),
    (VirtualGateway, "gate"): (gateway(8088), gateway(8088, 8089), gateway()),
    (VirtualGateway, "other"): (gateway(8090),),
    (GatewayRoute, "jazz"): (gateway_route("/jazz/", "jazz"), gateway_route("/jazz/", "blues")),
    (GatewayRoute, "blues"): (gateway_route("/", "blues", is_bound=False), gateway_route("/", "ghost")),
    (Service, "jazz"): (
        {"ports": [{"port": 80}]},
        {"ports": [{"port": 81}]},
        {"type": "ExternalName", "externalName": "jazz.test"},
    ),
    (Namespace, "prod"): ({}, {"labels": {"gate": "open"}}),
}


def made(kind: type[TypedObject], name: str, spec: Spec) -> TypedObject:
    in_mesh = {} if kind in (Mesh, Service, Namespace) else {"meshRef": {"name": "m"}}
    namespace = {"namespace": "prod"} if kind.RESOURCE.namespaced else {}
    labels = spec.get("labels", {}) if kind is Namespace else {}
    metadata = {"name": name, "uid": name, "labels": labels, **namespace}
    return decode({"metadata": metadata, "spec": {**in_mesh, **spec}}, kind)


def beginning() -> Snapshot:
    return Snapshot.of(made(kind, name, specs[0]) for (kind, name), specs in STATES.items())


@st.composite
def changes(draw: st.DrawFn) -> tuple[TypedObject, bool]:
    """An object's next state, or (True) that it goes."""
    kind, name = draw(st.sampled_from(list(STATES)))
    return made(kind, name, draw(st.sampled_from(STATES[kind, name]))), draw(st.integers(0, 3)) == 0


@given(st.lists(st.tuples(changes(), st.booleans()), min_size=1, max_size=12))
def test_what_is_remembered_is_what_would_be_compiled_anew(steps: list[tuple[tuple[TypedObject, bool], bool]]) -> None:
    """Also of what proxies refuse, and of older versions in force."""
    snapshot, memories, steady, accepted = beginning(), Memories(), SteadyObjects(), {}
    for (item, goes), is_refused in [((made(Mesh, "m", {}), False), False), *steps]:
        snapshot = snapshot.with_changes([] if goes else [item], [item] if goes else [])
        refusals = {typed_ref(item): Refused(item.spec, "no")} if is_refused and hasattr(item, "spec") else {}
        accepted = same_twice(steady.of(snapshot), snapshot, accepted, refusals, memories)


def same_twice(steady: Snapshot, snapshot: Snapshot, accepted: Accepted, refusals: Any, memories: Memories) -> Accepted:
    remembered = compile_with_fallback(steady, ArnScope(), accepted, refusals, memories=memories)
    assert remembered.model == compile_with_fallback(snapshot, ArnScope(), accepted, refusals).model
    return remembered.accepted


def test_written_statuses_compile_nothing() -> None:
    compiler, snapshot = MeshCompiler(ArnScope()), beginning()
    compiler.compile(snapshot, {})
    routing = compiler.routing
    for kind, name in STATES:
        item: Any = snapshot.get(kind, "prod" if kind.RESOURCE.namespaced else "", name)
        if kind in MEMBER_KINDS or kind is Mesh:
            metadata = structs.replace(item.metadata, resource_version="2", generation=3, finalizers=("f",))
            snapshot = snapshot.with_changes([structs.replace(item, metadata=metadata)], [])
        compiler.compile(snapshot, {})
        assert compiler.routing is routing
    gone = made(GatewayRoute, "blues", STATES[GatewayRoute, "blues"][0])
    compiler.compile(snapshot.with_changes([], [gone]), {})
    assert compiler.routing is not routing


@pytest.mark.parametrize(
    ("kind", "name", "spec", "touched"),
    [
        (VirtualRouter, "jazz", router("/a", "v1", "v2"), {CALLER, GROUPED, GATE}),
        (VirtualService, "unused", by_node("v1"), set()),
        (VirtualNode, "alone", node(), None),
        (BackendGroup, "all", group("jazz"), {GROUPED}),
        (GatewayRoute, "jazz", gateway_route("/jazz/", "blues"), {GATE}),
        (VirtualGateway, "other", gateway(8091), {"mesh/m/virtualGateway/other_prod"}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_only_what_a_change_touches_is_compiled_again(
    kind: type[TypedObject], name: str, spec: Spec, touched: set[str] | None
) -> None:
    """A new node may be what any reference means."""
    compiler, snapshot = MeshCompiler(ArnScope()), beginning()
    before = compiler.compile(snapshot, {}).proxies
    after = compiler.compile(snapshot.with_changes([made(kind, name, spec)], []), {}).proxies
    different = {path for path, proxy in after.items() if before.get(path) is not proxy}
    assert different == (touched if touched is not None else set(after))


def test_a_changed_route_of_one_gateway_leaves_the_model_of_all_nodes() -> None:
    compiler, snapshot = MeshCompiler(ArnScope()), beginning()
    nodes = nodes_of(compiler.compile(snapshot, {}))
    route = made(GatewayRoute, "jazz", gateway_route("/other/", "jazz"))
    assert nodes_of(compiler.compile(snapshot.with_changes([route], []), {})) == nodes


def nodes_of(model: MeshModel) -> dict[str, int]:
    return {path: id(proxy) for path, proxy in model.proxies.items() if "/virtualNode/" in path}
