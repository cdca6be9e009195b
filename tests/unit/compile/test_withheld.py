"""What a gateway serves of its mesh when its proxy refuses a route."""

from typing import Final

from crossfade.compile.model import ProxyModel
from crossfade.compile.origins import origins_of, without_origins
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Destination, Forward, Respond, Route, VirtualHost
from crossfade.compile.routing.tables import GatewayTables, MeshRoutes, Settings
from crossfade.compile.withheld import Withheld, still_wanted, withheld, without
from crossfade_kube.meta import ObjectRef

VERSION: Final = "appmesh.k8s.aws/v1beta2"
BAD: Final = ObjectRef(VERSION, "VirtualRouter", "prod", "bad")
GOOD: Final = ObjectRef(VERSION, "VirtualRouter", "prod", "good")


def host(name: str, *refs: ObjectRef) -> VirtualHost:
    routes = (Route(ref.name, RouteMatch(f"/{ref.name}"), Forward((Destination("c"),)), Origin(ref)) for ref in refs)
    return VirtualHost(name, (name,), tuple(routes))


def model(*hosts: VirtualHost) -> ProxyModel:
    return ProxyModel(gateway=GatewayTables(Settings("kong-3", ""), mesh={"m": MeshRoutes(hosts)}))


def gateway(of: ProxyModel) -> GatewayTables:
    assert of.gateway is not None
    return of.gateway


def test_one_refused_route_closes_its_virtual_service_and_no_other() -> None:
    both = model(host("a", GOOD, BAD), host("b", GOOD))
    assert set(origins_of(gateway(both))) == {BAD, GOOD}
    held = withheld(Withheld(), gateway(both), [BAD])
    left = gateway(without(both, held)).mesh["m"].hosts
    assert [one.domains for one in left] == [("a",), ("b",)]
    (closed,) = left[0].routes
    assert isinstance(closed.action, Respond)
    assert (closed.match, closed.action.status) == (RouteMatch(), 503)
    assert left[1] == host("b", GOOD)


def test_a_new_version_is_tried_again() -> None:
    held = withheld(Withheld(), gateway(model(host("a", BAD))), [BAD])
    assert still_wanted(held, model(host("a", BAD))) == held
    assert still_wanted(held, model(host("a", BAD, GOOD))).hosts == ()


def test_what_is_asked_about_goes_without_the_suspect() -> None:
    part = without_origins(gateway(model(host("a", GOOD, BAD))), [BAD])
    assert isinstance(part, GatewayTables)
    assert part.mesh["m"].hosts == (host("a", GOOD),)
