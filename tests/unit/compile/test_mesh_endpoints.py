from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualService
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import ArnScope, ClusterView, MeshCompiler, MeshModel
from crossfade.compile.mesh.cloud_map import CloudMapName, Instance
from crossfade.compile.mesh.endpoints import EndpointSource, service_endpoints
from crossfade.compile.mesh.service_names import service_key
from crossfade.compile.model import Discovery
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import EndpointSlice, Service
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import TypedObject, decode

Json = dict[str, Any]
JAZZ = NamespacedName("prod", "jazz")
CLUSTER = "cds_egress_m_jazz_prod_http_9080"


def service(**spec: Any) -> Service:
    given = {"clusterIP": "10.96.0.1", "ports": [{"name": "http", "port": 9080}], **spec}
    return decode({"metadata": {"name": "jazz", "namespace": "prod"}, "spec": given}, Service)


def endpoint_slice(name: str, *endpoints: Json, family: str = "IPv4", port: int = 8080) -> EndpointSlice:
    labels = {"kubernetes.io/service-name": "jazz"}
    metadata = {"name": name, "namespace": "prod", "labels": labels}
    ports = [{"name": "http", "port": port}]
    return decode(
        {"metadata": metadata, "addressType": family, "ports": ports, "endpoints": list(endpoints)}, EndpointSlice
    )


def at(address: str, **conditions: bool) -> Json:
    return {"addresses": [address], "conditions": conditions}


@pytest.mark.parametrize(
    ("hostname", "found"),
    [
        ("jazz.prod", JAZZ),
        ("jazz.prod.", JAZZ),
        ("jazz.prod.svc", JAZZ),
        ("JAZZ.prod.svc.Cluster.Local", JAZZ),
        ("jazz.prod.svc.cluster.local.", JAZZ),
        ("jazz", None),
        ("jazz.prod.cluster.local", None),
        ("pod.jazz.prod.svc.cluster.local", None),
        ("jazz.prod.pod.cluster.local", None),
        ("cluster.local", NamespacedName("local", "cluster")),
        ("svc.cluster.local", None),
        ("api.example.com", None),
        ("", None),
    ],
)
def test_which_service_a_host_name_stands_for(hostname: str, found: NamespacedName | None) -> None:
    assert service_key(hostname, "cluster.local") == found


def test_the_domain_of_the_cluster_is_a_setting() -> None:
    assert service_key("jazz.prod.svc.corp.example", "corp.example.") == JAZZ
    assert service_key("jazz.prod.svc.cluster.local", "corp.example") is None


_CONDITION = st.none() | st.booleans()
_ENDPOINT = st.fixed_dictionaries(
    {
        "addresses": st.lists(st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "none"]), max_size=2),
        "conditions": st.fixed_dictionaries({"ready": _CONDITION, "serving": _CONDITION, "terminating": _CONDITION}),
        "zone": st.sampled_from(["", "a", "b"]),
    }
)
_SLICES = st.lists(
    st.tuples(st.sampled_from(["IPv4", "IPv6", "FQDN"]), st.sampled_from([8080, 0, 70000]), st.lists(_ENDPOINT)),
    max_size=4,
)


@given(_SLICES, st.booleans(), st.booleans(), st.randoms(use_true_random=False))
def test_any_slices_give_what_can_be_connected_to_in_one_order(
    given_slices: list[tuple[str, int, list[Json]]], is_headless: bool, publishes_all: bool, random: Any
) -> None:
    spec = {"clusterIP": "None"} if is_headless else {}
    jazz = service(publishNotReadyAddresses=publishes_all, **spec)
    slices = [
        endpoint_slice(f"s{index}", *endpoints, family=family, port=port)
        for index, (family, port, endpoints) in enumerate(given_slices)
    ]
    source = EndpointSource(JAZZ, 9080)
    found = service_endpoints(jazz, slices, source, Diagnostics())
    random.shuffle(slices)
    assert service_endpoints(jazz, slices, source, Diagnostics()) == found == tuple(sorted(set(found)))
    known = [
        (address, item.address_type, end.is_ready or publishes_all, end.is_serving and end.is_terminating)
        for item in slices
        for end in item.endpoints
        for address in end.addresses
    ]
    for endpoint in found:
        assert endpoint.port == (9080 if is_headless else 8080)
        assert any(address == endpoint.address and (ready or ends) for address, _, ready, ends in known)
    usable = [port for _, port, _ in given_slices if is_headless or port == 8080]
    if found and len(usable) == len(given_slices):
        families = {family for address, family, ready, _ in known if ready and address != "none"} - {"FQDN"}
        if families:
            # One family, and of it all that is ready.
            family = "IPv6" if "IPv6" in families else "IPv4"
            ready = {address for address, one, is_ready, _ in known if is_ready and one == family and address != "none"}
            assert {endpoint.address for endpoint in found} == ready


def test_those_that_end_serve_only_as_long_as_none_is_ready() -> None:
    ends = at("10.0.0.1", ready=False, serving=True, terminating=True)
    jazz, source = service(), EndpointSource(JAZZ, 9080)

    def addresses(*endpoints: Json) -> list[str]:
        found = service_endpoints(jazz, [endpoint_slice("s", *endpoints)], source, Diagnostics())
        return [endpoint.address for endpoint in found]

    assert addresses(ends, at("10.0.0.2", ready=True)) == ["10.0.0.2"]
    assert addresses(ends, at("10.0.0.2", ready=False)) == ["10.0.0.1"]
    assert addresses(at("10.0.0.1", ready=False, serving=False, terminating=True)) == []


def mesh_objects(**mesh: Any) -> list[TypedObject]:
    reference, listeners = {"meshRef": {"name": "m"}}, [{"portMapping": {"port": 9080, "protocol": "http"}}]
    discovery = {"dns": {"hostname": "jazz.prod.svc.cluster.local"}}

    def prod(kind: type[Any], name: str, spec: Json) -> Any:
        return decode({"metadata": {"name": name, "namespace": "prod"}, "spec": {**reference, **spec}}, kind)

    return [
        decode({"metadata": {"name": "m", **mesh}}, Mesh),
        prod(VirtualNode, "jazz", {"listeners": listeners, "serviceDiscovery": discovery}),
        prod(VirtualService, "jazz", {"provider": {"virtualNode": {"virtualNodeRef": {"name": "jazz"}}}}),
        prod(VirtualNode, "caller", {"backends": [{"virtualService": {"virtualServiceRef": {"name": "jazz"}}}]}),
        service(),
    ]


def discovery_of(model: MeshModel) -> Discovery:
    clusters = model.proxies["mesh/m/virtualNode/caller_prod"].clusters
    return next(cluster.discovery for cluster in clusters if cluster.name == CLUSTER)


def test_a_changed_slice_compiles_endpoints_alone() -> None:
    compiler = MeshCompiler(ArnScope())
    first = Snapshot.of([*mesh_objects(), endpoint_slice("s", at("10.0.0.1"))])
    before = compiler.compile(first, {})
    after = compiler.compile(first.with_changes([endpoint_slice("s", at("10.0.0.2"))], []), {})
    assert after.proxies is before.proxies
    assert after.states is before.states
    assert [endpoint.address for endpoint in before.endpoints["m"][CLUSTER]] == ["10.0.0.1"]
    assert [endpoint.address for endpoint in after.endpoints["m"][CLUSTER]] == ["10.0.0.2"]


def test_a_service_that_comes_later_brings_the_endpoints() -> None:
    compiler = MeshCompiler(ArnScope())
    *others, jazz = mesh_objects()
    first = Snapshot.of(others)
    before = compiler.compile(first, {})
    assert discovery_of(before) is Discovery.EDS
    assert before.endpoints == {}
    later = compiler.compile(first.with_changes([jazz], []), {})
    assert discovery_of(later) is Discovery.EDS
    assert later.endpoints == {"m": {CLUSTER: ()}}


@pytest.mark.parametrize(
    ("annotations", "cluster", "expected"),
    [
        ({}, ClusterView(), Discovery.EDS),
        ({"crossfade.dev/endpoints": "endpointslices"}, ClusterView(), Discovery.EDS),
        ({"crossfade.dev/endpoints": "dns"}, ClusterView(), Discovery.LOGICAL_DNS),
        ({}, ClusterView(shows_endpoints=False), Discovery.LOGICAL_DNS),
        ({}, ClusterView("corp.example"), Discovery.LOGICAL_DNS),
    ],
)
def test_dns_stays_where_it_is_wanted_or_slices_cannot_be_read(
    annotations: dict[str, str], cluster: ClusterView, expected: Discovery
) -> None:
    found = MeshCompiler(ArnScope(), cluster).compile(Snapshot.of(mesh_objects(annotations=annotations)), {})
    assert discovery_of(found) is expected
    assert bool(found.endpoints) is (expected is Discovery.EDS)


def test_instances_that_others_registered_are_found_by_their_attributes() -> None:
    cloud_map = {
        "namespaceName": "corp.local",
        "serviceName": "jazz",
        "attributes": [{"key": "stage", "value": "prod"}],
    }
    listeners = [{"portMapping": {"port": 9080, "protocol": "http"}}]
    spec = {"meshRef": {"name": "m"}, "listeners": listeners, "serviceDiscovery": {"awsCloudMap": cloud_map}}
    node = decode({"metadata": {"name": "jazz", "namespace": "prod"}, "spec": spec}, VirtualNode)
    compiler = MeshCompiler(ArnScope())
    others = [item for item in mesh_objects() if item.metadata.name != "jazz" or not isinstance(item, VirtualNode)]
    snapshot = Snapshot.of([*others, node])
    assert compiler.compile(snapshot, {}).endpoints == {"m": {CLUSTER: ()}}

    def foreign(address: str, stage: str) -> Instance:
        return Instance({"IPv4": address}, {"stage": stage}, is_draining=False, ports=())

    name = CloudMapName("corp.local", "jazz")
    compiler.foreign = {name: (foreign("192.0.2.1", "prod"), foreign("192.0.2.2", "test"))}
    found = compiler.compile(snapshot, {}).endpoints["m"][CLUSTER]
    assert [(endpoint.address, endpoint.port) for endpoint in found] == [("192.0.2.1", 9080)]
