"""Cluster addresses and node ports: given, kept, given back, refused."""

import ipaddress
from typing import Any

import pytest

from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.admission.services import NODE_PORTS, RESERVED, SERVICE_NETWORK, allocate
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from crossfade_local.apiserver.wire.request import ANONYMOUS, Call, RequestInfo
from crossfade_local.apiserver.wire.status import StatusError

Json = dict[str, Any]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(BuiltinTypes.load())


async def _admitted(registry: Registry, spec: Json, *, old: Json | None = None, others: tuple[Json, ...] = ()) -> Json:
    storage = Storage(Database(None))
    for number, other in enumerate(others):
        await storage.create("/services", "default", f"other-{number}", {"metadata": {}, "spec": other})
    call = Call("POST", RequestInfo("create", ""), {}, {}, b"", ANONYMOUS)
    service = {"metadata": {"name": "s"}, "spec": {"type": "ClusterIP", **spec}}
    before = {"metadata": {"name": "s"}, "spec": old} if old else None
    resource = registry.builtin("", "v1", "services")
    operation = "UPDATE" if old else "CREATE"
    allocate(storage)(Attributes(call, resource, operation, "default", "s", service, before))
    storage.close()
    return service["spec"]


async def test_new_service_gets_an_address_and_ports(registry: Registry) -> None:
    ports = [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}, {"port": 443, "protocol": "TCP"}]
    spec = await _admitted(registry, {"type": "NodePort", "ports": ports})
    assert ipaddress.ip_address(spec["clusterIP"]) in SERVICE_NETWORK
    assert spec["clusterIP"] not in RESERVED
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    first, twin, other = (port["nodePort"] for port in spec["ports"])
    assert first == twin != other
    assert {first, other} <= set(NODE_PORTS)


async def test_update_keeps_what_it_leaves_out(registry: Registry) -> None:
    old = {
        "type": "NodePort",
        "clusterIP": "10.96.5.5",
        "clusterIPs": ["10.96.5.5"],
        "ports": [{"port": 80, "nodePort": 30080}],
    }
    spec = await _admitted(registry, {"type": "LoadBalancer", "ports": [{"port": 80}]}, old=old)
    assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == ("10.96.5.5", 30080)
    spec = await _admitted(registry, {"ports": [{"port": 80, "nodePort": 30080}]}, old=old)
    assert "nodePort" not in spec["ports"][0]


async def test_headless_and_external_services_have_no_address(registry: Registry) -> None:
    assert (await _admitted(registry, {"clusterIP": "None"}))["clusterIPs"] == ["None"]
    assert "clusterIP" not in await _admitted(registry, {"type": "ExternalName", "externalName": "example.com"})


async def test_local_load_balancers_tell_of_their_health(registry: Registry) -> None:
    wanted = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ports": [{"port": 80}]}
    old = await _admitted(registry, dict(wanted))
    assert old["healthCheckNodePort"] in NODE_PORTS
    assert old["healthCheckNodePort"] != old["ports"][0]["nodePort"]
    kept = await _admitted(registry, dict(wanted), old=old)
    assert kept["healthCheckNodePort"] == old["healthCheckNodePort"]
    elsewhere = await _admitted(registry, {**old, "externalTrafficPolicy": "Cluster"}, old=old)
    assert "healthCheckNodePort" not in elsewhere


TAKEN = {"clusterIP": "10.96.7.7", "ports": [{"port": 1, "nodePort": 30500}]}
REFUSED = [
    ({"clusterIP": "10.96.7.7"}, "failed to allocate IP 10.96.7.7: provided IP is already allocated"),
    (
        {"clusterIP": "10.1.1.1"},
        "failed to allocate IP 10.1.1.1: the provided network does not match the current range",
    ),
    ({"clusterIP": "fd00::1"}, "IPv6 is not configured on this cluster"),
    ({"ipFamilyPolicy": "RequireDualStack"}, "this cluster is not configured for dual-stack services"),
    ({"ipFamilies": ["IPv6"]}, 'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'),
    ({"ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "SingleStack"}, "when multiple IP families are specified"),
    ({"ipFamilyPolicy": "Both"}, 'Unsupported value: "Both"'),
    ({"type": "NodePort", "ports": [{"port": 1, "nodePort": 30500}]}, "provided port is already allocated"),
    ({"type": "NodePort", "ports": [{"port": 1, "nodePort": 80}]}, "The range of valid ports is 30000-32767"),
]


@pytest.mark.parametrize(("spec", "words"), REFUSED)
async def test_taken_and_foreign_values_are_refused(registry: Registry, spec: Json, words: str) -> None:
    with pytest.raises(StatusError) as caught:
        await _admitted(registry, spec, others=(TAKEN,))
    assert words in caught.value.message
    assert caught.value.code == 422
