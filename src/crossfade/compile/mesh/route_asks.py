"""What annotations of a virtual router ask of single routes."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from msgspec import structs

from crossfade.api.appmesh import VirtualRouter
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh.asks import ALL, Ask, asked, tell
from crossfade.compile.mesh.faults import ROUTE_FAULTS, named, read_fault
from crossfade.compile.mesh.rate_limits import ROUTE_RATE_LIMITS, read_rate_limit
from crossfade.compile.routing.routes import Fault, Forward, RateLimit

T = TypeVar("T")


class RouteAsks(NamedTuple):
    """By name of the route."""

    faults: Mapping[str, Fault]
    limits: Mapping[str, RateLimit]

    def applied(self, route: str, forward: Forward) -> Forward:
        fault, limit = self.faults.get(route), self.limits.get(route)
        if fault is None and limit is None:
            return forward
        return structs.replace(forward, fault=fault, rate_limit=limit)


def route_asks(router: VirtualRouter, diagnostics: Diagnostics) -> RouteAsks:
    faults = _of_routes(router, ROUTE_FAULTS, asked(router, ROUTE_FAULTS, read_fault, diagnostics), diagnostics)
    read = asked(router, ROUTE_RATE_LIMITS, read_rate_limit, diagnostics)
    limits = _of_routes(router, ROUTE_RATE_LIMITS, read, diagnostics)
    return RouteAsks({route: named(fault, router, route) for route, fault in faults.items()}, limits)


def _of_routes(router: VirtualRouter, ask: Ask, found: Mapping[str, T], diagnostics: Diagnostics) -> dict[str, T]:
    """Without what is for no route that has requests."""
    usable = {route.name for route in router.spec.routes if route.tcp_route is None}
    for name in found:
        if name == ALL:
            tell(router, ask, "a line does not begin with the name of a route", diagnostics)
        elif name not in usable:
            tell(router, ask, f"there is no route {name[:80]!a} of HTTP, HTTP/2 or gRPC", diagnostics)
    return {name: value for name, value in found.items() if name in usable}
