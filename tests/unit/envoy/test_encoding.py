"""What cannot be encoded costs itself only, and its culprits are named."""

from typing import Any

from crossfade.compile.model import Cluster, Discovery, Endpoint, Origin, ProxyModel, Route, RouteMatch
from crossfade.envoy.encoding import encode
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.resources import resources_from_model
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


def test_a_good_model_is_encoded_whole() -> None:
    model = proxy_model(answer("ok", RouteMatch()), clusters=(local_cluster("a", 1),))
    assert encode(model, OPTIONS) == (resources_from_model(model, options=OPTIONS), ())


def test_a_cluster_that_cannot_be_encoded_leaves_the_rest_as_it_is() -> None:
    route, cluster = answer("ok", RouteMatch()), local_cluster("a", 1)
    found = encode(proxy_model(route, clusters=(cluster, bad_cluster())), OPTIONS)
    without = proxy_model(route, clusters=(cluster,))
    assert found.resources == resources_from_model(without, options=OPTIONS)
    (failed,) = found.unencodable
    assert (failed.kind, failed.name, failed.culprits) == (ResourceType.CLUSTER, "bad", (CULPRIT.ref,))
    assert isinstance(failed.exception, ValueError)


def test_of_a_table_the_culprit_is_found() -> None:
    model = proxy_model(answer("ok", RouteMatch()), bad_route(), answer("fine", RouteMatch("/fine")))
    found = encode(model, OPTIONS)
    (failed,) = found.unencodable
    assert (failed.kind, failed.name, failed.culprits) == (ResourceType.ROUTES, TABLE, (CULPRIT.ref,))
    assert found.resources.of(ResourceType.ROUTES) == {}
    assert found.resources.of(ResourceType.LISTENER) == encode(ProxyModel(model.listeners), OPTIONS).resources.of(
        ResourceType.LISTENER
    )
    assert ORIGIN.ref not in failed.culprits
