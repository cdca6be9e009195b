"""Small models for tests of everything behind the compiler."""

from crossfade.compile.model import (
    Cluster,
    Destination,
    Dialect,
    Direction,
    Discovery,
    Endpoint,
    FilterChain,
    Forward,
    HttpHandler,
    Listener,
    Origin,
    ProxyModel,
    Respond,
    Route,
    RouteMatch,
    RouteTable,
    VirtualHost,
)
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
