"""Which objects get the blame for a resource that the proxy refused."""

import pytest

from crossfade.compile.model import Cluster, Discovery, Origin, ProxyModel, Respond, Route, RouteMatch, RouteTable
from crossfade.compile.model import VirtualHost as Host
from crossfade.envoy.resource_set import ResourceType
from crossfade.status.kong_refusal import MOST_SUSPECTS, suspects
from crossfade_kube.meta import ObjectRef

SERVICE = ObjectRef("v1", "Service", "demo", "one")
CLUSTER = Cluster("one", Discovery.EDS, (), Origin(SERVICE))
NOBODY = Route("no-route", RouteMatch("/"), Respond(404), Origin(ObjectRef("", "", "", "")))
ROUTES = ResourceType.ROUTES


def ingress(name: str) -> ObjectRef:
    return ObjectRef("networking.k8s.io/v1", "Ingress", "demo", name)


def model(*paths: tuple[str, str]) -> ProxyModel:
    """Ingress name and path of each route."""
    routes = (Route(path, RouteMatch(path), Respond(200), Origin(ingress(name))) for name, path in paths)
    hosts = (Host("a", ("a",), (*routes, NOBODY)), Host("*", ("*",), (NOBODY,)))
    return ProxyModel(route_tables=(RouteTable("kong-http", hosts),), clusters=(CLUSTER,))


@pytest.mark.parametrize(
    ("taken", "refused", "expected"),
    [
        (model(("old", "/a")), model(("old", "/a"), ("new", "/b")), ["new"]),
        (model(("old", "/a")), model(("old", "/b")), ["old"]),
        (ProxyModel(), model(("one", "/a"), ("two", "/b")), ["one", "two"]),
        (model(("one", "/a"), ("two", "/b")), model(("one", "/a")), ["one"]),
        (ProxyModel(), model(*((f"i{n}", "/a") for n in range(MOST_SUSPECTS + 1))), []),
    ],
    ids=["added", "changed", "first table", "only removals", "too many"],
)
def test_a_route_tables_suspects_are_what_changed(taken: ProxyModel, refused: ProxyModel, expected: list[str]) -> None:
    assert suspects(ROUTES, "kong-http", refused, taken) == [ingress(name) for name in expected]


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        (ResourceType.CLUSTER, "one", [SERVICE]),
        (ResourceType.ENDPOINTS, "one", [SERVICE]),
        (ResourceType.CLUSTER, "two", []),
        (ResourceType.LISTENER, "http", []),
        (ResourceType.EXTENSION, "consumers", []),
        (ROUTES, "kong-https", []),
    ],
)
def test_other_resources(kind: ResourceType, name: str, expected: list[ObjectRef]) -> None:
    assert suspects(kind, name, model(("one", "/a")), ProxyModel()) == expected
