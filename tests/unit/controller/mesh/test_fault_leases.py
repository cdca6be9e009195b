"""What is told of faults, and which proxies get them."""

from crossfade.compile.mesh.readiness import Readiness
from crossfade.compile.model import ProxyModel
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Destination, Fault, Forward, Route, RouteTable, VirtualHost
from crossfade.controller.mesh.fault_leases import FaultLeases
from crossfade.envoy.resource_set import EMPTY, ResourceType
from crossfade_kube.meta import ObjectRef

PROXY, OTHER = "mesh/m/virtualNode/a", "mesh/n/virtualNode/a"
ORIGIN = Origin(ObjectRef("v1", "VirtualService", "prod", "jazz"))
FAULT = Fault(100, 160, abort_status=503, abort_percent=5, name="fault/a", origin=ORIGIN)


def model(fault: Fault | None) -> ProxyModel:
    route = Route("r", RouteMatch(), Forward((Destination("c"),), fault=fault), ORIGIN)
    return ProxyModel(route_tables=(RouteTable("t", (VirtualHost("h", ("*",), (route,)),)),))


def holding(**faults: Fault | None) -> FaultLeases:
    leases = FaultLeases()
    for proxy, fault in faults.items():
        leases.hold({"own": PROXY, "other": OTHER}[proxy], model(fault))
    return leases


def told(leases: FaultLeases, now_s: float) -> list[str]:
    return [one.reason for one in leases.news(now_s)]


def lent(leases: FaultLeases, proxy: str, now_s: float) -> list[str]:
    return list(leases.added_to(proxy, EMPTY, now_s).of(ResourceType.EXTENSION))


def test_a_fault_is_lent_to_the_proxies_that_have_it_and_its_begin_and_end_are_told() -> None:
    leases = holding(own=FAULT, other=None)
    assert leases.proxies() == [PROXY]
    assert (told(leases, 99), lent(leases, PROXY, 99)) == ([], [])
    assert (told(leases, 100), lent(leases, PROXY, 100)) == (["FaultBegins"], ["fault/a"])
    assert (told(leases, 159), lent(leases, OTHER, 159)) == ([], [])
    assert (told(leases, 160), lent(leases, PROXY, 160)) == (["FaultEnds"], [])
    assert leases.next_change_s(160) is None


def test_a_fault_that_its_author_removes_ends() -> None:
    leases = holding(own=FAULT)
    assert told(leases, 100) == ["FaultBegins"]
    leases.hold(PROXY, model(None))
    assert told(leases, 101) == ["FaultEnds"]
    assert leases.proxies() == []


def test_a_withdrawn_fault_is_told_once_and_is_only_of_its_mesh() -> None:
    leases = holding(own=FAULT)
    ready, failing = Readiness(frozenset("x"), frozenset()), Readiness(frozenset(), frozenset("x"))
    assert told(leases, 100) == ["FaultBegins"]
    assert leases.watch("m", ready, 100) == leases.watch("n", failing, 100) == []
    assert [one.reason for one in leases.watch("m", failing, 101)] == ["FaultWithdrawn"]
    assert (told(leases, 101), lent(leases, PROXY, 101)) == ([], [])
    assert leases.watch("m", failing, 102) == []
