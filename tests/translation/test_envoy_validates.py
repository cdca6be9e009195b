"""Envoy itself finds nothing wrong with what the builders make."""

from pathlib import Path

import pytest

from crossfade.compile.model import (
    Algorithm,
    Balancing,
    ClientTls,
    Cluster,
    Dialect,
    Direction,
    Discovery,
    Endpoint,
    FilterChain,
    HealthCheck,
    HttpHandler,
    Listener,
    OutlierDetection,
    ProbeSocket,
    Protocol,
    ProxyModel,
    TcpHandler,
)
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.retry import RetryPolicy
from crossfade.compile.routing.routes import Destination, RouteTable, VirtualHost
from crossfade.compile.routing.tables import (
    Action,
    Consumer,
    GatewayTables,
    HeaderMatch,
    Instance,
    Match,
    PathMatch,
    Route,
    Row,
    Settings,
    action_name,
)
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.validate import InvalidConfigurationError, validate
from crossfade.policy_module.path import policy_library_path
from tests.support.models import ORIGIN, local_cluster, proxy_model, route_to
from tests.support.xds_golden import assert_golden_xds

pytestmark = pytest.mark.envoy

CASES = Path(__file__).parent / "cases" / "envoy"

MATCH = Match(
    (PathMatch("", PathMatchKind.REGEX, "/a.*"),), ("http",), ("a.test",), ("GET",), (HeaderMatch("x-a", ("~*b",)),)
)
ACTION = Action(
    RetryPolicy(("connect-failure",), 2), 5.0, takes_host_of_endpoint=True, response_headers=(("x-b", "5%"),)
)
GATEWAY = GatewayTables(
    Settings("kong-3", "kong/3.9.1", "00"),
    routes=(Row(ORIGIN, Route("r", MATCH, action=action_name(ACTION), backends=(Destination("eds"),))),),
    instances=(Row(ORIGIN, Instance("i", "key-auth", {})),),
    consumers=(Row(ORIGIN, Consumer("c", "ann")),),
    actions={action_name(ACTION): ACTION},
)


def _watched(algorithm: Algorithm) -> Cluster:
    probe = HealthCheck(
        Protocol.HTTP1,
        5,
        2,
        1,
        3,
        failing_statuses=(500, 503),
        headers=(("x-probe", "5%"),),
        socket=ProbeSocket.TLS,
        tls=ClientTls("a.test"),
    )
    return Cluster(
        algorithm.value,
        Discovery.STATIC,
        (Endpoint("10.0.0.1", 443, "a.test"),),
        ORIGIN,
        balancing=Balancing(algorithm, 100, 50),
        health_check=probe,
        outlier_detection=OutlierDetection(3, 1, 30, 100, 2, (429, 500)),
    )


def everything(dialect: Dialect) -> ProxyModel:
    """A model with a bit of all that the builders know."""
    is_kong = dialect is Dialect.KONG
    table = RouteTable("t", (VirtualHost("v", ("*",), (route_to("eds"),)),))
    to_anywhere = TcpHandler((Destination("dst"),), "aws")
    chains = (
        FilterChain("http", HttpHandler("t", "s", dialect), destination_port=9080),
        FilterChain("aws", to_anywhere, destination_port=443, server_names=("*.amazonaws.com",)),
        FilterChain("rest", TcpHandler((Destination("dst"), Destination("eds", 2)), "rest")),
    )
    clusters = (
        local_cluster("eds", 1),
        Cluster("dst", Discovery.ORIGINAL_DST, (), ORIGIN),
        Cluster("dns", Discovery.LOGICAL_DNS, (Endpoint("jazz.prod.svc.cluster.local.", 9080),), ORIGIN),
        Cluster("tls", Discovery.STATIC, (Endpoint("10.0.0.1", 443),), ORIGIN, tls=ClientTls()),
        Cluster("strict", Discovery.STRICT_DNS, (Endpoint("jazz", 9080),), ORIGIN),
        *(_watched(algorithm) for algorithm in Algorithm if is_kong),
    )
    listener = Listener("l", "127.0.0.1", 15001, Direction.OUTBOUND, chains, restores_original_destination=True)
    return ProxyModel((listener,), (table,), clusters, GATEWAY if is_kong else None)


@pytest.mark.parametrize("dialect", Dialect)
def test_envoy_finds_nothing_wrong(dialect: Dialect, tmp_path: Path, update_golden: bool) -> None:
    expected = CASES / f"{dialect}.yaml"
    library = policy_library_path()
    assert_golden_xds(everything(dialect), expected, update=update_golden, workdir=tmp_path, library=library)


def test_envoy_takes_server_names_of_any_length(tmp_path: Path) -> None:
    label = "a-_1" * 15
    names = [f"*.{number:04}.{label}.{label}.{label}.{label[:55]}" for number in range(1000)]
    chains = (
        FilterChain("one label", TcpHandler((Destination("eds"),), "s"), one_label_names=tuple(names)),
        FilterChain(
            "others", TcpHandler((Destination("eds"),), "s"), server_names=("x", *names, *(n[2:] for n in names))
        ),
    )
    listener = Listener("l", "127.0.0.1", 15001, Direction.INBOUND, chains)
    model = ProxyModel((listener,), clusters=(local_cluster("eds", 1),))
    validate(resources_from_model(model, options=EnvoyOptions()), workdir=tmp_path)


def test_envoy_finds_what_is_wrong(tmp_path: Path) -> None:
    model = proxy_model(clusters=(Cluster("bad", Discovery.STATIC, (Endpoint("no address", 1),), ORIGIN),))
    with pytest.raises(InvalidConfigurationError, match="no address"):
        validate(resources_from_model(model, options=EnvoyOptions()), workdir=tmp_path)
