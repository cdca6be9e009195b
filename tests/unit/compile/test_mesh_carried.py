"""Who is spoken to in HTTP/2, one change after the other."""

from typing import Any

import pytest

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualService
from crossfade.compile.mesh import ArnScope, MeshCompiler, compile_mesh
from crossfade.compile.mesh.sidecars import SIDECAR_ANNOTATION, sidecar_text, taken_ports
from crossfade.compile.model import Cluster, Protocol, carried_endpoints, other_endpoints
from crossfade.envoy.cluster import cluster_from_model
from crossfade.envoy.names import HTTP_PROTOCOL_OPTIONS
from crossfade.envoy.proto import upstream_http_v3
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import EndpointSlice, Pod, Service
from crossfade_kube.registry import TypedObject, decode

Json = dict[str, Any]
KEY = "crossfade.dev/http2-between-proxies"
PATH = "mesh/m/virtualNode/jazz_prod"
CLUSTER = "cds_egress_m_jazz_prod_http_9080"


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        (sidecar_text(PATH, "9080,9081"), (9080, 9081)),
        (f"{PATH} 9080", (9080,)),
        (f"{PATH} ", ()),
        (f"{PATH} a,9080,,-1,9999999,\u0663", (9080,)),
        ("mesh/m/virtualNode/metal_prod 9080", ()),
        (PATH, ()),
        ("9080", ()),
        ("", ()),
    ],
)
def test_what_a_sidecar_takes(text: str, ports: tuple[int, ...]) -> None:
    assert taken_ports(text, PATH) == ports


def test_the_two_kinds_of_endpoints_name_each_other() -> None:
    assert other_endpoints(CLUSTER) == carried_endpoints(CLUSTER) != CLUSTER
    assert other_endpoints(carried_endpoints(CLUSTER)) == CLUSTER


def objects(node: str | None, mesh: str | None = None) -> list[TypedObject]:
    def made(kind: type[TypedObject], name: str, spec: Json, value: str | None = None) -> TypedObject:
        metadata: Json = {"name": name, **({} if kind is Mesh else {"namespace": "prod"})}
        metadata |= {} if value is None else {"annotations": {KEY: value}}
        reference = {} if kind in (Mesh, Service) else {"meshRef": {"name": "m"}}
        return decode({"metadata": metadata, "spec": {**spec, **reference}}, kind)

    jazz = {
        "listeners": [{"portMapping": {"port": 9080, "protocol": "http"}}],
        "serviceDiscovery": {"dns": {"hostname": "jazz.prod.svc"}},
    }
    return [
        made(Mesh, "m", {}, mesh),
        made(VirtualNode, "jazz", jazz, node),
        made(VirtualNode, "dj", {"backends": [{"virtualService": {"virtualServiceRef": {"name": "jazz"}}}]}),
        made(VirtualService, "jazz", {"provider": {"virtualNode": {"virtualNodeRef": {"name": "jazz"}}}}),
        made(Service, "jazz", {"clusterIP": "None"}),
    ]


def slice_of(*pods: str) -> EndpointSlice:
    ends = [
        {"addresses": [f"10.0.0.{number}"], "targetRef": {"kind": "Pod", "name": name}}
        for number, name in enumerate(pods, 1)
    ]
    labels = {"kubernetes.io/service-name": "jazz"}
    metadata = {"name": "jazz-1", "namespace": "prod", "labels": labels}
    return decode({"metadata": metadata, "addressType": "IPv4", "endpoints": ends}, EndpointSlice)


def pod(name: str, *, has_sidecar: bool) -> Pod:
    own = {SIDECAR_ANNOTATION: sidecar_text(PATH, "9080")} if has_sidecar else {}
    return decode({"metadata": {"name": name, "namespace": "prod", "annotations": own}}, Pod)


def callers_cluster(snapshot: Snapshot, compiler: MeshCompiler) -> Cluster:
    proxy = compiler.compile(snapshot, {}).proxies["mesh/m/virtualNode/dj_prod"]
    return next(one for one in proxy.clusters if one.name == CLUSTER)


@pytest.mark.parametrize(
    ("mesh", "node", "is_carried"),
    [
        (None, None, False),
        (None, "enabled", True),
        ("enabled", None, True),
        ("enabled", "disabled", False),
        ("disabled", "enabled", True),
        ("disabled", None, False),
        ("yes", None, False),
    ],
)
def test_the_nodes_word_counts_before_its_meshs(mesh: str | None, node: str | None, is_carried: bool) -> None:
    snapshot = Snapshot.of([*objects(node, mesh), slice_of("a"), pod("a", has_sidecar=True)])
    assert callers_cluster(snapshot, MeshCompiler(ArnScope())).is_carried is is_carried


def test_each_change_comes_to_what_a_fresh_compilation_says() -> None:
    compiler = MeshCompiler(ArnScope())
    snapshot = Snapshot.of(objects("enabled"))
    steps: list[tuple[list[TypedObject], bool]] = [
        ([], True),
        ([slice_of("a")], False),
        ([pod("a", has_sidecar=True)], True),
        ([slice_of("a", "b")], False),
        ([pod("b", has_sidecar=False)], False),
        ([pod("b", has_sidecar=True)], True),
        ([pod("c", has_sidecar=False)], True),
        ([slice_of("c")], False),
        ([slice_of()], True),
    ]
    for present, is_carried in steps:
        snapshot = snapshot.with_changes(present, ())
        assert callers_cluster(snapshot, compiler).is_carried is is_carried, present
        fresh, found = compile_mesh(snapshot, ArnScope()), compiler.compile(snapshot, {})
        assert (found.proxies, found.endpoints) == (fresh.proxies, fresh.endpoints)


def test_what_no_change_touches_stays_the_very_same() -> None:
    compiler = MeshCompiler(ArnScope())
    snapshot = Snapshot.of([*objects("enabled"), slice_of("a"), pod("a", has_sidecar=True)])
    before = compiler.compile(snapshot, {}).proxies
    assert compiler.compile(snapshot.with_changes([pod("z", has_sidecar=False)], ()), {}).proxies is before


def test_a_carried_cluster_waits_for_endpoints_of_its_own_and_notices_dead_peers() -> None:
    snapshot = Snapshot.of([*objects("enabled"), slice_of("a"), pod("a", has_sidecar=True)])
    cluster = callers_cluster(snapshot, MeshCompiler(ArnScope()))
    assert cluster.protocol is Protocol.HTTP2
    message = cluster_from_model(cluster)
    assert message.eds_cluster_config.service_name == carried_endpoints(CLUSTER)
    options = upstream_http_v3.HttpProtocolOptions()
    message.typed_extension_protocol_options[HTTP_PROTOCOL_OPTIONS].Unpack(options)
    http2 = options.explicit_http_config.http2_protocol_options
    assert http2.connection_keepalive.HasField("timeout")
    assert http2.allow_connect
    streams, window = http2.max_concurrent_streams.value, http2.initial_stream_window_size.value
    assert streams * window <= http2.initial_connection_window_size.value
