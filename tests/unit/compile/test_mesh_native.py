"""What becomes of a gateway's model when the gateway does what its sidecar would."""

from typing import Any, Final

import pytest
from msgspec import UNSET

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.compiler import CompiledGateway, compile_gateway
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.compile.memo import Memo
from crossfade.compile.mesh_native import OwnNode, merged
from crossfade.compile.mesh_native.asks import tell_asks, without_asks
from crossfade.compile.model import Issued, MeshIssued, ProxyModel, TcpHandler
from crossfade.compile.routing.matches import (
    HeaderMatch,
    PathMatchKind,
    QueryMatch,
    RangeMatch,
    RouteMatch,
    StringMatch,
    StringMatchKind,
)
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import (
    Destination,
    Fault,
    Forward,
    RateLimit,
    Respond,
    Route,
    RouteTable,
    VirtualHost,
)
from crossfade.compile.routing.tables import GatewayTables, MeshRoutes
from crossfade.envoy.gateway import GatewayBuilder, NodeUnknownError
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.explain.explainer import Explainer
from crossfade.explain.mesh import mesh_found
from crossfade.explain.request import question_of
from crossfade.explain.text import lines_of
from crossfade.kong_conf.listen import stream_listens
from crossfade.kong_conf.settings import KongSettings
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import decode_known
from tests.support.mesh_gateway import KINDS, NODE

Json = dict[str, Any]
HOST: Final = "jazz.prod.svc.cluster.local"
V1: Final = "cds_egress_m_v1_prod_http_9080"
DATABASE: Final = "cds_egress_m_db_prod_tcp_5432"


def in_mesh(kind: str, name: str, spec: Json) -> Json:
    metadata = {"name": name} if kind == "Mesh" else {"name": name, "namespace": "prod"}
    own = spec if kind == "Mesh" else {"meshRef": {"name": "m"}, **spec}
    return {"apiVersion": "appmesh.k8s.aws/v1beta2", "kind": kind, "metadata": metadata, "spec": own}


def node(name: str, protocol: str, port: int) -> Json:
    mapping = {"portMapping": {"port": port, "protocol": protocol}}
    discovery = {"dns": {"hostname": f"{name}.example.com"}}
    return in_mesh("VirtualNode", name, {"listeners": [mapping], "serviceDiscovery": discovery})


def mesh(egress: str = "DROP_ALL") -> list[Json]:
    backends = [{"virtualService": {"virtualServiceRef": {"name": name}}} for name in ("jazz", "db")]

    def service(name: str, host: str, of: str) -> Json:
        provider = {"virtualNode": {"virtualNodeRef": {"name": of}}}
        return in_mesh("VirtualService", name, {"awsName": host, "provider": provider})

    return [
        in_mesh("Mesh", "m", {"namespaceSelector": {}, "egressFilter": {"type": egress}}),
        in_mesh("VirtualNode", "kong", {"backends": backends}),
        node("v1", "http", 9080),
        node("db", "tcp", 5432),
        service("jazz", HOST, "v1"),
        service("db", "db.prod", "db"),
    ]


def service(name: str, ports: list[int], annotations: dict[str, str] | None = None) -> list[Json]:
    """With an endpoint for each of the `ports`, and an Ingress at `/<name>`."""
    metadata = {"name": name, "namespace": "prod", "annotations": annotations or {}}
    labels = {"kubernetes.io/service-name": name}
    slices = [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": f"{name}-{port}", "namespace": "prod", "labels": labels},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": port}],
            "endpoints": [{"addresses": ["10.0.0.7"]}],
        }
        for port in ports
    ]
    backend = {"service": {"name": name, "port": {"number": 80}}}
    path = {"path": f"/{name}", "pathType": "Prefix", "backend": backend}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "prod", "annotations": {"konghq.com/preserve-host": "false"}},
        "spec": {"ingressClassName": "kong", "rules": [{"http": {"paths": [path]}}]},
    }
    spec = {"ports": [{"name": "http", "port": 80}]}
    return [{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}, *slices, ingress]


def compiled(*objects: Json, node: OwnNode | None = None, memo: Memo | None = None) -> CompiledGateway:
    snapshot = Snapshot.of([found for one in objects if (found := decode_known(one, KINDS)) is not None])
    settings = CompileSettings(kong=KongSettings(stream_listen=stream_listens("0.0.0.0:9000")), salt=b"salt")
    sidecar = (node or OwnNode(NODE, "cluster.local")).sidecar(snapshot)
    assert sidecar is not None
    return merged(compile_gateway(snapshot, settings), sidecar, memo or Memo())


def tables(found: CompiledGateway) -> GatewayTables:
    assert found.model.gateway is not None
    return found.model.gateway


def only(found: CompiledGateway) -> MeshRoutes | None:
    """What takes the requests of the only route; None where the gateway connects by itself."""
    (row,) = tables(found).routes
    return None if row.value.mesh is UNSET else tables(found).mesh[row.value.mesh]


def clusters(found: CompiledGateway) -> set[str]:
    return {cluster.name for cluster in found.model.clusters}


def codes(diagnostics: Diagnostics) -> set[str]:
    return {one.code for one in diagnostics}


HEADER: Final = {"konghq.com/host-header": HOST}


def test_requests_take_the_routes_of_the_sidecars_own_table() -> None:
    found = compiled(*mesh(), *service("jazz", [9080], HEADER))
    routes = only(found)
    assert routes is not None
    (host,) = routes.hosts
    assert host.domains == (HOST, f"{HOST}:9080")
    assert isinstance(forward := host.routes[0].action, Forward)
    assert [one.cluster for one in forward.destinations] == [V1]
    assert clusters(found) == {V1}
    (row,) = tables(found).routes
    assert row.value.host == f"{HOST}:9080"
    assert not row.value.service.retry_idempotent


def test_the_port_that_counts_is_the_one_that_is_connected_to() -> None:
    """By its name a Service is connected to at its own port, else at its endpoints'."""
    by_name = compiled(*mesh(), *service("jazz", [9080], {**HEADER, "ingress.kubernetes.io/service-upstream": "true"}))
    assert shown(only(by_name)) == "closed"


def test_endpoints_without_a_common_name_have_none_in_the_mesh() -> None:
    several = service("jazz", [9080])
    for one in several:
        for end in one.get("endpoints", ()):
            end["addresses"] = ["10.0.0.7", "10.0.0.8"]
    routes = only(compiled(*mesh(), *several))
    assert routes is not None
    assert routes.hosts == ()
    assert only(compiled(*mesh("ALLOW_ALL"), *several)) is None


def test_under_allow_all_other_hosts_go_where_kong_would_connect_to() -> None:
    found = compiled(*mesh("ALLOW_ALL"), *service("jazz", [9080], HEADER))
    routes = only(found)
    assert routes is not None
    assert routes.passthrough == "cds_egress_m_mesh-allow-all"
    assert clusters(found) == {"jazz.prod.80.svc", V1}


def test_tls_of_kongs_own_is_not_looked_into() -> None:
    found = compiled(*mesh(), *service("jazz", [9080], {**HEADER, "konghq.com/protocol": "https"}))
    assert shown(only(found)) == "closed"
    assert "service.outside-mesh" in codes(found.diagnostics)


def test_what_stays_in_the_pod_is_not_the_meshs() -> None:
    own = service("own", [7000])
    for one in own:
        for end in one.get("endpoints", ()):
            end["addresses"] = ["127.0.0.1"]
    assert only(compiled(*mesh(), *own)) is None


def test_names_of_aws_are_let_through_to_port_443() -> None:
    tls = {"konghq.com/protocol": "https"}
    own = service("s3", [443], {**tls, "konghq.com/host-header": "s3.us-west-2.amazonaws.com"})
    assert only(compiled(*mesh(), *own)) is None
    other = service("s3", [443], {**tls, "konghq.com/host-header": "amazonaws.com.example.org"})
    assert shown(only(compiled(*mesh(), *other))) == "closed"


def test_kongs_patience_bounds_the_meshs_where_it_is_shorter() -> None:
    routes = only(compiled(*mesh(), *service("jazz", [9080], HEADER)))
    assert routes is not None
    assert routes.longest_idle_s is None
    quick = {**HEADER, "konghq.com/read-timeout": "2000", "konghq.com/retries": "1"}
    routes = only(compiled(*mesh(), *service("jazz", [9080], quick)))
    assert routes is not None
    assert routes.longest_idle_s == 9.0


def test_what_kong_says_of_an_upstream_is_told_to_have_no_effect() -> None:
    policy = {
        "apiVersion": "configuration.konghq.com/v1beta1",
        "kind": "KongUpstreamPolicy",
        "metadata": {"name": "p", "namespace": "prod"},
        "spec": {"algorithm": "least-connections"},
    }
    noted = {**HEADER, "konghq.com/upstream-policy": "p"}
    found = compiled(*mesh(), policy, *service("jazz", [9080], noted))
    assert "service.upstream-unused" in codes(found.diagnostics)


def test_a_route_that_did_not_change_is_the_same_object() -> None:
    snapshot_of, memo, own = (*mesh(), *service("jazz", [9080], HEADER)), Memo(), OwnNode(NODE, "cluster.local")
    kong = Memo()
    snapshot = Snapshot.of([found for one in snapshot_of if (found := decode_known(one, KINDS)) is not None])
    made = []
    for _ in range(2):
        sidecar = own.sidecar(snapshot)
        assert sidecar is not None
        made.append(tables(merged(compile_gateway(snapshot, CompileSettings(salt=b"s"), kong), sidecar, memo)))
    assert made[0].routes[0].value is made[1].routes[0].value


def test_a_virtual_node_that_goes_leaves_its_last_routes() -> None:
    own, memo = OwnNode(NODE, "cluster.local"), Memo()
    objects = [*mesh(), *service("jazz", [9080], HEADER)]
    before = compiled(*objects, node=own, memo=memo)
    left = [one for one in objects if one["metadata"]["name"] != "kong"]
    assert only(compiled(*left, node=own, memo=memo)) == only(before)
    snapshot = Snapshot.of([found for one in left if (found := decode_known(one, KINDS)) is not None])
    assert OwnNode(NODE, "cluster.local").sidecar(snapshot) is None


def with_identities() -> list[Json]:
    objects = mesh()
    objects[0]["metadata"]["annotations"] = {"crossfade.dev/mesh-tls": "strict"}
    for one in objects:
        if one["metadata"]["name"] == "v1":
            one["spec"]["podSelector"] = {"matchLabels": {"app": "v1"}}
    return objects


def test_who_asks_for_an_identity_is_shown_that_of_the_meshs_controller() -> None:
    own = OwnNode(NODE, "cluster.local", has_identity=True)
    found = compiled(*with_identities(), *service("jazz", [9080], HEADER), node=own)
    (cluster,) = [one for one in found.model.clusters if one.name == V1]
    assert [one.address for one in cluster.endpoints] == ["v1.example.com."]
    assert cluster.mesh_tls is not None
    assert cluster.mesh_tls.certificate == MeshIssued(Issued.IDENTITY)
    assert cluster.mesh_tls.peers is not None
    assert cluster.mesh_tls.peers.authorities == MeshIssued(Issued.AUTHORITIES)
    assert cluster.mesh_tls.peers.names == ("spiffe://m/ns/prod/virtual-node/v1",)
    assert "mesh.no-identity" not in codes(found.diagnostics)
    framed = resources_from_model(found.model, options=EnvoyOptions()).of(ResourceType.CLUSTER)[V1].framed
    assert framed.count(b"crossfade_mesh_identities") == 2


def test_who_asks_for_an_identity_gets_nothing_where_the_pod_was_not_told_of_any() -> None:
    found = compiled(*with_identities(), *service("jazz", [9080], HEADER))
    (cluster,) = [one for one in found.model.clusters if one.name == V1]
    assert cluster.endpoints == ()
    assert cluster.mesh_tls is None
    assert "mesh.no-identity" in codes(found.diagnostics)


def test_a_proxy_gets_nothing_before_its_node_is_known() -> None:
    builder = GatewayBuilder(CompileSettings(mesh_node=NODE, salt=b"s"), EnvoyOptions())
    with pytest.raises(NodeUnknownError, match=NODE):
        builder.build(Snapshot.of([]))
    objects = (*mesh(), *service("jazz", [9080], HEADER))
    snapshot = Snapshot.of([found for one in objects if (found := decode_known(one, KINDS)) is not None])
    built = builder.build(snapshot)
    assert V1 in built.resources.of(ResourceType.CLUSTER)
    assert builder.build(snapshot).resources == built.resources


@pytest.mark.parametrize(
    ("port", "egress", "destination", "is_open"),
    [
        (5432, "DROP_ALL", DATABASE, True),
        (7000, "ALLOW_ALL", "web.prod.80.svc.tcp", True),
        (7000, "DROP_ALL", "web.prod.80.svc.tcp", False),
        (9080, "DROP_ALL", "web.prod.80.svc.tcp", False),
    ],
)
def test_streams_have_a_port_only(port: int, egress: str, destination: str, is_open: bool) -> None:
    stream = {
        "apiVersion": "configuration.konghq.com/v1beta1",
        "kind": "TCPIngress",
        "metadata": {"name": "s", "namespace": "prod", "annotations": {"kubernetes.io/ingress.class": "kong"}},
        "spec": {"rules": [{"port": 9000, "backend": {"serviceName": "web", "servicePort": 80}}]},
    }
    objects = [one for one in service("web", [port]) if one["kind"] != "Ingress"]
    found = compiled(*mesh(egress), *objects, stream)
    (chain,) = [chain for one in found.model.listeners for chain in one.chains if isinstance(chain.handler, TcpHandler)]
    assert isinstance(chain.handler, TcpHandler)
    assert [one.cluster for one in chain.handler.destinations] == [destination]
    (cluster,) = [one for one in found.model.clusters if one.name == destination]
    assert bool(cluster.endpoints) == is_open


@pytest.mark.parametrize(
    ("ports", "egress", "expected"),
    [
        ([9080], "DROP_ALL", "routes"),
        ([9080], "ALLOW_ALL", "routes"),
        ([5432], "DROP_ALL", DATABASE),
        ([5432], "ALLOW_ALL", DATABASE),
        ([7000], "DROP_ALL", "closed"),
        ([7000], "ALLOW_ALL", "untouched"),
        ([7000, 7001], "ALLOW_ALL", "untouched"),
        ([7000, 7001], "DROP_ALL", "closed"),
        ([9080, 7000], "DROP_ALL", "closed"),
        ([], "DROP_ALL", "untouched"),
    ],
)
def test_ports_decide_as_in_a_sidecar(ports: list[int], egress: str, expected: str) -> None:
    found = compiled(*mesh(egress), *service("web", ports))
    assert shown(only(found)) == expected
    assert ("service.outside-mesh" in codes(found.diagnostics)) == (expected == "closed")
    is_connected_to = expected == "untouched" or (expected == "routes" and egress == "ALLOW_ALL")
    assert ("web.prod.80.svc" in clusters(found)) == is_connected_to


def shown(routes: MeshRoutes | None) -> str:
    if routes is None:
        return "untouched"
    actions = [route.action for host in routes.hosts for route in host.routes]
    if len(actions) == 1 and isinstance(actions[0], Respond):
        return "closed"
    if len(actions) == 1 and isinstance(actions[0], Forward) and routes.hosts[0].domains == ("*",):
        return actions[0].destinations[0].cluster
    return "routes"


@pytest.mark.parametrize(
    ("ports", "annotations", "says"),
    [
        ([9080], HEADER, f"mesh      {HOST} (VirtualService prod/jazz)"),
        ([9080], HEADER, f"to {V1} 100 %"),
        ([9080], {"konghq.com/host-header": "other.prod"}, "answers 404: no backend of the virtual node has that Host"),
        ([7000], HEADER, "answers 502: its mesh lets nothing out to that port"),
    ],
)
def test_an_explanation_goes_on_in_the_mesh(ports: list[int], annotations: dict[str, str], says: str) -> None:
    found = compiled(*mesh(), *service("jazz", ports, annotations))
    question = question_of("GET", "http://gw.test/jazz/x")
    text = "\n".join(lines_of(Explainer(found).explain(question, "http://gw.test/jazz/x")))
    assert says in text


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (RouteMatch("/a"), True),
        (RouteMatch("/b"), False),
        (RouteMatch("/a/b", PathMatchKind.EXACT), True),
        (RouteMatch("/a/[a-z]", PathMatchKind.REGEX), True),
        (RouteMatch("/a/[", PathMatchKind.REGEX), False),
        (RouteMatch(methods=("POST",)), False),
        (RouteMatch(scheme="https"), False),
        (RouteMatch(is_grpc=True), False),
        (RouteMatch(headers=(HeaderMatch("x-n", (RangeMatch(1, 8),)),)), True),
        (RouteMatch(headers=(HeaderMatch("x-n", (RangeMatch(1, 7),)),)), False),
        (RouteMatch(headers=(HeaderMatch("x-none", inverted=True),)), True),
        (RouteMatch(headers=(HeaderMatch("x-n", (StringMatch(StringMatchKind.SUFFIX, "7"),), inverted=True),)), False),
        (RouteMatch(query=(QueryMatch("q", "1"),)), True),
        (RouteMatch(query=(QueryMatch("q", "2"),)), False),
    ],
)
def test_what_an_explanation_takes_for_a_match(match: RouteMatch, expected: bool) -> None:
    sent = ((":path", "/a/b?q=1"), (":method", "GET"), (":authority", "h"), ("x-n", "7"), ("x-forwarded-proto", "http"))
    origin = Origin(ObjectRef("v1", "VirtualRouter", "prod", "r"))
    route = Route("r", match, Forward((Destination("c"),)), origin)
    found = mesh_found(MeshRoutes((VirtualHost("h", ("h",), (route,)),)), sent)
    assert (found.destinations == (("c", 1),)) == expected


def asking(**asked: Any) -> ProxyModel:
    origin = Origin(ObjectRef("v1", "VirtualRouter", "prod", "r"), "spec.routes[0]")
    routes = (
        Route("asks", RouteMatch("/a"), Forward((Destination("c"),), **asked), origin),
        Route("plain", RouteMatch(), Forward((Destination("c"),)), origin),
    )
    return ProxyModel(route_tables=(RouteTable("rds_egress_http_80", (VirtualHost("h", ("h",), routes),)),))


@pytest.mark.parametrize(
    ("asked", "code", "is_closed"),
    [
        ({"rate_limit": RateLimit(1, 1, 1)}, "mesh.gateway-cannot", True),
        ({"max_held_bytes": 5}, "mesh.gateway-cannot", True),
        ({"finds_host": True}, "mesh.gateway-cannot", True),
        ({"fault": Fault(0, 1, name="f")}, "mesh.gateway-injects-no-fault", False),
    ],
)
def test_what_only_sidecars_can_do_is_told_and_closed(asked: Json, code: str, is_closed: bool) -> None:
    model, found = asking(**asked), Diagnostics()
    (host,) = without_asks(model.route_tables[0]).virtual_hosts
    action = host.routes[0].action
    assert isinstance(action, Respond) == is_closed
    assert host.routes[1] is model.route_tables[0].virtual_hosts[0].routes[1]
    tell_asks(model, found)
    assert codes(found) == {code}


def test_what_asks_for_nothing_stays_the_same_object() -> None:
    table = asking().route_tables[0]
    assert without_asks(table).virtual_hosts[0] is table.virtual_hosts[0]
