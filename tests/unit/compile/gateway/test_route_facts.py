"""A route is made anew for a change of its Service exactly when that changes the route."""

from typing import Any

import pytest
from msgspec import structs

from crossfade.compile.gateway.route_policies import RoutePolicy
from crossfade.compile.gateway.routes import facts_for_routes, table_route
from crossfade.compile.gateway.state import KongBackend, KongPath, KongRoute, KongService, PluginRef
from crossfade.compile.model import ClientTls, Cluster, Discovery, Endpoint
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.tables import Hashing, HashInput, StickyCookie
from crossfade_kube.core.ingress import IngressServiceBackend
from crossfade_kube.meta import ObjectRef

ORIGIN = Origin(ObjectRef("v1", "Service", "shop", "web"))
CLUSTER = Cluster("web", Discovery.EDS, (Endpoint("10.0.0.1", 80),), ORIGIN)
ELSEWHERE = structs.replace(CLUSTER, discovery=Discovery.STRICT_DNS, endpoints=(Endpoint("a", 80, "a.test"),))
SERVICE = KongService("web", "id", CLUSTER)
ROUTE = KongRoute(
    "r",
    "r-id",
    KongBackend("shop", IngressServiceBackend("web"), ORIGIN),
    (KongPath(PathMatchKind.PREFIX, "/"),),
    ORIGIN,
    "",
    preserve_host=False,
)
OTHERS: dict[str, Any] = {
    "name": "other",
    "id": "other",
    "cluster": structs.replace(CLUSTER, name="other"),
    "protocol": "https",
    "path": "/other",
    "retries": 0,
    "read_timeout": 1,
    "plugins": (PluginRef("x", ORIGIN.ref),),
    "refusal": "closed",
    "missing_port": "there is none",
    "server_name": "a.test",
    "hashing": Hashing((HashInput("ip"),)),
    "sticky": StickyCookie("at"),
    "created": "2026-01-02T03:04:05Z",
}


def test_every_field_of_a_service_is_tried() -> None:
    assert OTHERS.keys() == set(KongService.__struct_fields__)


@pytest.mark.parametrize(
    "other",
    [
        *(structs.replace(SERVICE, **{name: value}) for name, value in OTHERS.items()),
        structs.replace(SERVICE, cluster=structs.replace(CLUSTER, endpoints=())),
        structs.replace(SERVICE, cluster=ELSEWHERE),
        structs.replace(SERVICE, cluster=structs.replace(CLUSTER, tls=ClientTls()), server_name=""),
        structs.replace(SERVICE, cluster=structs.replace(ELSEWHERE, tls=ClientTls()), server_name="a.test"),
    ],
    ids=[*OTHERS, "no endpoints", "another name", "TLS", "TLS to a name"],
)
def test_the_facts_change_with_the_route(other: KongService) -> None:
    made, as_before = (table_route(ROUTE, one, RoutePolicy(), is_logged=True) for one in (other, SERVICE))
    makes_the_same = made == as_before
    assert (facts_for_routes(other) == facts_for_routes(SERVICE)) is makes_the_same
