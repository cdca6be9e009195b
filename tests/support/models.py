"""Small models for tests of everything behind the compiler."""

from crossfade.compile.model import (
    Cluster,
    Dialect,
    Direction,
    Discovery,
    Endpoint,
    FilterChain,
    HttpHandler,
    Listener,
    ProxyModel,
)
from crossfade.compile.routing import tables
from crossfade.compile.routing.matches import PathMatchKind, RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Destination, Forward, Respond, Route, RouteTable, VirtualHost
from crossfade.compile.routing.tables import GatewayTables
from crossfade_kube.meta import ObjectRef

ORIGIN = Origin(ObjectRef("v1", "Test", "test", "test"))
TABLE = "table"


def route_to(cluster: str, match: RouteMatch | None = None) -> Route:
    return Route(cluster, match or RouteMatch(), Forward((Destination(cluster),)), ORIGIN)


def answer(name: str, match: RouteMatch) -> Route:
    """Envoy itself answers with the route's name."""
    return Route(name, match, Respond(200, name), ORIGIN)


def local_cluster(name: str, port: int, discovery: Discovery = Discovery.EDS) -> Cluster:
    return Cluster(name, discovery, (Endpoint("127.0.0.1", port),), ORIGIN)


def proxy_model(
    *routes: Route,
    clusters: tuple[Cluster, ...] = (),
    port: int = 8000,
    dialect: Dialect = Dialect.APP_MESH,
    gateway: GatewayTables | None = None,
) -> ProxyModel:
    """One listener on loopback, one table, one virtual host for everything."""
    chain = FilterChain("all", HttpHandler(TABLE, "test", dialect))
    listener = Listener("listener", "127.0.0.1", port, Direction.INBOUND, (chain,))
    table = RouteTable(TABLE, (VirtualHost("all", ("*",), routes),))
    return ProxyModel((listener,), (table,), clusters, gateway)


def gateway_tables(*clusters: str) -> GatewayTables:
    """The cluster `a` gets what begins with `/a`; the module's other settings are Kong's."""
    action = tables.Action()
    name = tables.action_name(action)
    routes = (
        tables.Route(
            cluster,
            tables.Match((tables.PathMatch("", PathMatchKind.PREFIX, f"/{cluster}"),), ("http", "https")),
            action=name,
            backends=(Destination(cluster),),
        )
        for cluster in clusters
    )
    settings = tables.Settings("kong-3", "kong/3.9.1", "")
    return GatewayTables(settings, tuple(tables.Row(ORIGIN, route) for route in routes), actions={name: action})


def kong_model(*clusters: Cluster, port: int, chains: tuple[FilterChain, ...] = ()) -> ProxyModel:
    """A gateway with a listener on loopback, plain unless other chains are given."""
    plain = FilterChain("all", HttpHandler("gateway", "test", Dialect.KONG))
    listener = Listener("listener", "127.0.0.1", port, Direction.INBOUND, chains or (plain,))
    return ProxyModel((listener,), (), clusters, gateway_tables(*(cluster.name for cluster in clusters)))
