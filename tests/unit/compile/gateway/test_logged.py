"""Kong's entities as records tell them."""

import pytest

from crossfade.compile.gateway.consumers import Consumer
from crossfade.compile.gateway.logged import logged_consumer, logged_route, logged_service
from crossfade.compile.gateway.state import KongBackend, KongPath, KongRoute, KongService
from crossfade.compile.model import Cluster, Discovery
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.origin import Origin
from crossfade_kube.core.ingress import IngressServiceBackend, ServiceBackendPort
from crossfade_kube.meta import ObjectRef

INGRESS = Origin(ObjectRef("networking.k8s.io/v1", "Ingress", "shop", "web"), "spec.rules[0]")
SERVICE = Origin(ObjectRef("v1", "Service", "shop", "web"), "spec.ports")
BACKEND = KongBackend("shop", IngressServiceBackend("web", ServiceBackendPort(number=80)), INGRESS)


def service(name: str = "shop.web.80") -> KongService:
    cluster = Cluster(name, Discovery.STATIC, (), SERVICE, connect_timeout_s=1.5)
    return KongService(name, "service-id", cluster, path="/base", created="2026-01-02T03:04:05Z")


def route(**fields: object) -> KongRoute:
    paths = (
        KongPath(PathMatchKind.PREFIX, "/a/"),
        KongPath(PathMatchKind.EXACT, "/a", is_generated=True),
        KongPath(PathMatchKind.REGEX, "/b[0-9]+"),
    )
    known = {"name": "shop.web.web..80", "id": "route-id", "backend": BACKEND, "paths": paths, "origin": INGRESS}
    return KongRoute(**{**known, "created": "", **fields})  # type: ignore[arg-type]


def test_a_route_has_the_conditions_that_it_was_given() -> None:
    found = logged_route(route(hosts=("a.test",), headers=(("x-v", ("1", "2")),)), service())
    assert found["paths"] == ["/a/", "~/a$", "~/b[0-9]+"]
    assert (found["hosts"], found["headers"], found["service"]) == (
        ["a.test"],
        {"x-v": ["1", "2"]},
        {"id": "service-id"},
    )
    assert not {"methods", "snis"} & found.keys()
    assert found["tags"] == ["k8s-name:web", "k8s-namespace:shop", "k8s-kind:Ingress"]
    assert found["created_at"] == 0


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("shop.web.80", "web.shop.80.svc"),
        ("shop.web.http", "web.shop.http.svc"),
        ("shop.web.svc.facade", "web.shop.svc.facade"),
        ("acme", "acme"),
    ],
)
def test_a_service_has_the_host_that_the_ingress_controller_gives_it(name: str, host: str) -> None:
    found = logged_service(service(name))
    assert (found["host"], found["port"], found["connect_timeout"]) == (host, 80, 1500)
    assert found["created_at"] == found["updated_at"] == 1767323045


def test_a_consumer_has_the_names_that_it_has() -> None:
    ref = ObjectRef("configuration.konghq.com/v1", "KongConsumer", "shop", "ann")
    found = logged_consumer(Consumer("id", "ann", "", ref, "2026-01-02T03:04:05Z"))
    assert (found["username"], found["created_at"]) == ("ann", 1767323045)
    assert not {"custom_id", "ws_id"} & found.keys()


@pytest.mark.parametrize("created", ["", "yesterday", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_no_time_of_creation_keeps_a_record_from_being_written(created: str) -> None:
    assert isinstance(logged_route(route(created=created), service())["created_at"], int)
