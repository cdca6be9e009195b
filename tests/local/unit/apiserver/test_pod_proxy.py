"""Which address a request to a port of a pod goes to, and what it asks for there."""

from typing import Any

import pytest

from crossfade_local.apiserver.pod_proxy import _address, _asked, _path
from crossfade_local.apiserver.wire.request import request_info
from crossfade_local.apiserver.wire.status import StatusError


def pod(address: str | None = "10.0.0.7", *ports: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "ports": [{"containerPort": port} for port in ports]}]},
        "status": {"podIP": address} if address else {},
    }


@pytest.mark.parametrize(
    ("plural", "name", "expected"),
    [
        ("pods", "p", ("http", "p", "")),
        ("pods", "p:8100", ("http", "p", "8100")),
        ("pods", "http:p:8100", ("http", "p", "8100")),
        ("pods", "https:p:8443", ("https", "p", "8443")),
        ("pods", "p:", ("http", "p", "")),
        ("services", "s:web", ("http", "s", "web")),
        ("services", "https:s:", ("https", "s", "")),
    ],
)
def test_names_have_schemes_and_ports(plural: str, name: str, expected: tuple[str, str, str]) -> None:
    assert _asked(name, plural) == expected


@pytest.mark.parametrize("plural", ["pods", "services"])
@pytest.mark.parametrize("name", ["ftp:p:1", "p:0", "p:65536", "p:1:2:3", "p:٣", "p:a/b", f"p:{'9' * 5000}"])
def test_other_names_are_refused(plural: str, name: str) -> None:
    with pytest.raises(StatusError):
        _asked(name, plural)


def test_a_pods_ports_have_no_names_here() -> None:
    with pytest.raises(StatusError):
        _asked("p:status", "pods")


@pytest.mark.parametrize(
    ("found", "port", "expected"),
    [
        (pod(), 9901, "10.0.0.7:9901"),
        (pod(), None, "10.0.0.7:80"),
        (pod("10.0.0.7", 8080, 9090), None, "10.0.0.7:8080"),
        (pod("fd00::7"), 1, "[fd00::7]:1"),
    ],
)
def test_a_request_goes_to_the_pods_address(found: dict[str, Any], port: int | None, expected: str) -> None:
    assert _address(found, port) == expected


@pytest.mark.parametrize(
    "address", [None, "", "localhost", "127.0.0.1", "::1", "169.254.169.254", "0.0.0.0", "224.0.0.1"]
)
def test_nothing_else_is_reached(address: str | None) -> None:
    with pytest.raises(StatusError):
        _address(pod(address), 80)


def test_path_and_query_go_on_as_they_are() -> None:
    base = "/api/v1/namespaces/proxy/pods/p:8100/proxy"
    assert _path(base, 8) == _path(f"{base}/", 8) == "/"
    assert _path(f"{base}/a/proxy/%2e%2e?x=%5Ea&y", 8) == "/a/proxy/%2e%2e?x=%5Ea&y"


def test_who_may_is_asked_for_the_subresource_alone() -> None:
    info = request_info("GET", "/api/v1/namespaces/ns/pods/p:8100/proxy/metrics/x", {})
    assert (info.verb, info.resource, info.subresource, info.name) == ("get", "pods", "proxy", "p:8100")
