"""What cannot be encoded costs itself only, and its culprits are named."""

import math
from typing import Any

from msgspec import structs

from crossfade.compile.model import Cluster, Discovery, Endpoint, ProxyModel
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Route
from crossfade.compile.routing.tables import Action, GatewayTables, Match, Row, Settings, action_name
from crossfade.compile.routing.tables import Route as TableRoute
from crossfade.envoy.encoding import Unencodable, unencodable
from crossfade.envoy.names import GATEWAY_ROUTES
from crossfade.envoy.resource_set import ResourceSet, ResourceType
from crossfade.envoy.resources import Encoded, resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade_kube.meta import ObjectRef
from tests.support.models import ORIGIN, TABLE, answer, local_cluster, proxy_model

OPTIONS = EnvoyOptions()
CULPRIT = Origin(ObjectRef("v1", "Test", "test", "culprit"))
HALF_A_CHARACTER = "\ud800"


def bad_route() -> Route:
    good: Any = answer("bad", RouteMatch(f"/{HALF_A_CHARACTER}"))
    return Route(good.name, good.match, good.action, CULPRIT)


def bad_cluster() -> Cluster:
    return Cluster("bad", Discovery.EDS, (Endpoint("10.0.0.1", 1 << 40),), CULPRIT)


def encode(model: ProxyModel, memory: Encoded) -> tuple[ResourceSet, tuple[Unencodable, ...]]:
    resources = resources_from_model(model, options=OPTIONS, before=memory)
    return resources, unencodable(model, memory.failed, OPTIONS)


def test_a_good_model_is_encoded_whole() -> None:
    model = proxy_model(answer("ok", RouteMatch()), clusters=(local_cluster("a", 1),))
    assert encode(model, Encoded()) == (resources_from_model(model, options=OPTIONS), ())


def test_a_cluster_that_cannot_be_encoded_leaves_the_rest_as_it_is() -> None:
    route, cluster = answer("ok", RouteMatch()), local_cluster("a", 1)
    resources, (failed,) = encode(proxy_model(route, clusters=(cluster, bad_cluster())), Encoded())
    assert resources == resources_from_model(proxy_model(route, clusters=(cluster,)), options=OPTIONS)
    assert (failed.kind, failed.name, failed.culprits) == (ResourceType.ENDPOINTS, "bad", (CULPRIT.ref,))
    assert isinstance(failed.exception, ValueError)


def test_its_last_good_version_stays() -> None:
    route = answer("ok", RouteMatch())
    memory = Encoded()
    good, _ = encode(proxy_model(route, clusters=(structs.replace(bad_cluster(), endpoints=()),)), memory)
    for _ in range(2):
        resources, (failed,) = encode(proxy_model(route, clusters=(bad_cluster(),)), memory)
        assert (resources, failed.name) == (good, "bad")


def test_of_a_table_the_culprit_is_found() -> None:
    model = proxy_model(answer("ok", RouteMatch()), bad_route(), answer("fine", RouteMatch("/fine")))
    resources, (failed,) = encode(model, Encoded())
    assert (failed.kind, failed.name, failed.culprits) == (ResourceType.ROUTES, TABLE, (CULPRIT.ref,))
    assert resources == resources_from_model(ProxyModel(model.listeners), options=OPTIONS)
    assert ORIGIN.ref not in failed.culprits


def test_of_the_actions_the_one_that_brings_it_in_is_named() -> None:
    """Two routes of other objects share the bad action: the first is told."""
    bad, good = Action(idle_timeout_s=math.inf), Action(idle_timeout_s=1)
    names = [("a", CULPRIT, bad), ("b", ORIGIN, bad), ("c", ORIGIN, good)]
    routes = tuple(
        Row(origin, TableRoute(id=name, match=Match((), ("http",)), action=action_name(action)))
        for name, origin, action in names
    )
    gateway = GatewayTables(
        Settings("kong-3.9", "kong"), routes, actions={action_name(one): one for one in (bad, good)}
    )
    _, (failed,) = encode(ProxyModel(gateway=gateway), Encoded())
    assert (failed.kind, failed.name, failed.culprits) == (ResourceType.ROUTES, GATEWAY_ROUTES, (CULPRIT.ref,))
