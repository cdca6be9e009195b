"""What routes of a mesh ask of a sidecar's filters, which a gateway's proxy has not.

What would let more through than the mesh's author wants is answered 503; a fault that is not injected harms nobody.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.model import ProxyModel
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Forward, Respond, Route, RouteTable, VirtualHost

_REFUSAL: Final = Respond(503, "a gateway without a sidecar cannot do what this route asks for")
_HINT: Final = "take the annotation crossfade.dev/mesh-native off the gateway's pods, so that they get a sidecar"


def without_asks(table: RouteTable) -> RouteTable:
    return replace(table, virtual_hosts=tuple(map(_host, table.virtual_hosts)))


def _host(host: VirtualHost) -> VirtualHost:
    """The same object where nothing is asked for."""
    routes = tuple(map(_route, host.routes))
    is_same = all(one is other for one, other in zip(routes, host.routes, strict=True))
    return host if is_same else replace(host, routes=routes)


def _route(route: Route) -> Route:
    action = route.action
    if not isinstance(action, Forward):
        return route
    if _closes(action):
        return replace(route, action=_REFUSAL)
    return route if action.fault is None else replace(route, action=replace(action, fault=None))


def _closes(action: Forward) -> bool:
    return action.rate_limit is not None or action.max_held_bytes is not None or action.finds_host


def tell_asks(model: ProxyModel, diagnostics: Diagnostics) -> None:
    for origin, action in _asking(model.route_tables):
        problem = "a gateway without a sidecar has no filter for what this route asks for"
        closes = _closes(action)
        diagnostics.warning(
            origin.ref,
            "mesh.gateway-cannot" if closes else "mesh.gateway-injects-no-fault",
            problem,
            effect="the gateway answers its requests with 503" if closes else "the gateway injects no fault",
            hint=_HINT,
            field=origin.path,
        )


def _asking(tables: Iterable[RouteTable]) -> Iterator[tuple[Origin, Forward]]:
    """Of the way out: that in is another proxy's."""
    for table in tables:
        for host in table.virtual_hosts if table.name.startswith("rds_egress") else ():
            for route in host.routes:
                if isinstance(route.action, Forward) and (_closes(route.action) or route.action.fault is not None):
                    yield route.origin, route.action
