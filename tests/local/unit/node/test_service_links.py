"""The variables of Services, and which of them a container gets."""

import asyncio

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_kube.watch import WatchEvent
from crossfade_local.kubelet.environment import build_command, build_env
from crossfade_local.kubelet.service_links import ServiceLinks, service_variables
from tests.local.unit.node.test_environment import FACTS, IMAGE, SOURCES
from tests.support.kept import holders_of


def service(
    name: str, *ports: JsonObject, ip: str | None = "10.96.0.7", namespace: str = "prod", **spec: str
) -> JsonObject:
    metadata = {"name": name, "namespace": namespace}
    return {"metadata": metadata, "spec": {"clusterIP": ip, "ports": list(ports), **spec}}


HTTP: JsonObject = {"name": "http-web", "port": 80, "protocol": "TCP"}
API = service("kubernetes", {"name": "https", "port": 443}, ip="10.96.0.1", namespace="default")


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (
            service("dj-jazz", {"port": 9080}),
            {
                "DJ_JAZZ_SERVICE_HOST": "10.96.0.7",
                "DJ_JAZZ_SERVICE_PORT": "9080",
                "DJ_JAZZ_PORT": "tcp://10.96.0.7:9080",
                "DJ_JAZZ_PORT_9080_TCP": "tcp://10.96.0.7:9080",
                "DJ_JAZZ_PORT_9080_TCP_PROTO": "tcp",
                "DJ_JAZZ_PORT_9080_TCP_PORT": "9080",
                "DJ_JAZZ_PORT_9080_TCP_ADDR": "10.96.0.7",
            },
        ),
        (
            service("dns", HTTP, {"name": "udp", "port": 53, "protocol": "UDP"}, ip="fd00::7"),
            {
                "DNS_SERVICE_HOST": "fd00::7",
                "DNS_SERVICE_PORT": "80",
                "DNS_SERVICE_PORT_HTTP_WEB": "80",
                "DNS_SERVICE_PORT_UDP": "53",
                "DNS_PORT": "tcp://[fd00::7]:80",
                "DNS_PORT_80_TCP": "tcp://[fd00::7]:80",
                "DNS_PORT_80_TCP_PROTO": "tcp",
                "DNS_PORT_80_TCP_PORT": "80",
                "DNS_PORT_80_TCP_ADDR": "fd00::7",
                "DNS_PORT_53_UDP": "udp://[fd00::7]:53",
                "DNS_PORT_53_UDP_PROTO": "udp",
                "DNS_PORT_53_UDP_PORT": "53",
                "DNS_PORT_53_UDP_ADDR": "fd00::7",
            },
        ),
        (service("headless", HTTP, ip="None"), {}),
        (service("bare", ip="None"), {}),
        (service("elsewhere", HTTP, ip=None, type="ExternalName", externalName="example.com"), {}),
    ],
)
def test_a_service_is_told_in_kubernetes_and_in_dockers_names(one: JsonObject, expected: dict[str, str]) -> None:
    assert service_variables([one]) == expected


@pytest.mark.parametrize(
    ("namespace", "enabled", "hosts"),
    [
        ("prod", True, {"JAZZ": "10.96.0.7", "KUBERNETES": "10.96.0.1"}),
        ("prod", False, {"KUBERNETES": "10.96.0.1"}),
        ("default", True, {"METAL": "10.96.0.8", "KUBERNETES": "10.96.0.1"}),
        ("default", False, {"KUBERNETES": "10.96.0.1"}),
        ("empty", True, {"KUBERNETES": "10.96.0.1"}),
        ("own", True, {"KUBERNETES": "10.96.0.9"}),
        ("own", False, {"KUBERNETES": "10.96.0.1"}),
    ],
)
def test_a_pod_sees_its_namespace_and_the_api_server(namespace: str, enabled: bool, hosts: dict[str, str]) -> None:
    links = ServiceLinks()
    metal = service("metal", HTTP, ip="10.96.0.8", namespace="default")
    links.replace([API, service("jazz", HTTP), metal, service("kubernetes", HTTP, ip="10.96.0.9", namespace="own")])
    assert _hosts(links, namespace, enabled=enabled) == hosts


def _hosts(links: ServiceLinks, namespace: str, *, enabled: bool = True) -> dict[str, str]:
    suffix, found = "_SERVICE_HOST", links.variables(namespace, enabled=enabled)
    return {name.removesuffix(suffix): value for name, value in found.items() if name.endswith(suffix)}


def test_a_container_that_starts_later_sees_what_there_is_then() -> None:
    links = ServiceLinks()
    links.replace([service("jazz", HTTP)])
    assert _hosts(links, "prod") == {"JAZZ": "10.96.0.7"}
    links.apply(WatchEvent("ADDED", API))
    links.apply(WatchEvent("MODIFIED", service("jazz", HTTP, ip="10.96.0.8")))
    links.apply(WatchEvent("ADDED", service("metal", HTTP)))
    assert _hosts(links, "prod") == {"JAZZ": "10.96.0.8", "METAL": "10.96.0.7", "KUBERNETES": "10.96.0.1"}
    links.apply(WatchEvent("DELETED", service("jazz", HTTP)))
    links.apply(WatchEvent("DELETED", API))
    assert _hosts(links, "prod") == {"METAL": "10.96.0.7"}
    assert _hosts(links, "prod", enabled=False) == {}
    links.replace([])
    assert _hosts(links, "prod") == {}


async def test_a_pod_waits_until_the_services_are_known() -> None:
    links = ServiceLinks()
    waiting = asyncio.ensure_future(links.read())
    await asyncio.sleep(0)
    assert not waiting.done()
    links.replace([])
    await waiting


async def test_a_pod_is_told_when_they_stay_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossfade_local.kubelet.service_links._READ_S", 0.0)
    with pytest.raises(OSError, match="did not list the Services"):
        await ServiceLinks().read()


def test_the_containers_own_variables_come_first_and_refer_to_them() -> None:
    base = service_variables([service("jazz", HTTP)])
    own = [{"name": "URL", "value": "at $(JAZZ_PORT)"}, {"name": "JAZZ_SERVICE_HOST", "value": "mine"}]
    container = {"env": own, "args": ["$(JAZZ_SERVICE_HOST):$(JAZZ_SERVICE_PORT)"]}
    env = build_env(container, base=base, facts=FACTS, sources=SOURCES)
    assert env == base | {"URL": "at tcp://10.96.0.7:80", "JAZZ_SERVICE_HOST": "mine"}
    assert build_command(container, IMAGE, env).argv[-1] == "mine:80"


def test_nothing_is_kept_of_a_namespace_without_services() -> None:
    links = ServiceLinks()
    links.replace([API])
    for name in ("fleeting-1", "fleeting-2"):
        links.apply(WatchEvent("ADDED", service("jazz", HTTP, namespace=name)))
        assert "JAZZ" in _hosts(links, name)
        assert "JAZZ" not in _hosts(links, name, enabled=False)
        links.apply(WatchEvent("DELETED", service("jazz", HTTP, namespace=name)))
        assert "JAZZ" not in _hosts(links, name)
    assert holders_of("fleeting") == []
