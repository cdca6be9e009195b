"""Clusters: discovery, protocol, limits, health."""

from typing import Any

import pytest

from crossfade.compile.model import (
    ClientTls,
    Cluster,
    Discovery,
    Endpoint,
    HealthCheck,
    IpFamily,
    OutlierDetection,
    Protocol,
)
from crossfade.envoy.cluster import cluster_from_model
from crossfade.envoy.dump import plain
from crossfade.envoy.endpoint import load_assignment
from tests.support.models import ORIGIN

ENDPOINT = Endpoint("10.0.0.1", 8080)


def built(discovery: Discovery = Discovery.STATIC, **changes: Any) -> dict[str, Any]:
    cluster = Cluster("c", discovery, changes.pop("endpoints", (ENDPOINT,)), ORIGIN, **changes)
    result: dict[str, Any] = plain(cluster_from_model(cluster))
    return result


def test_eds_endpoints_travel_apart() -> None:
    cluster = built(Discovery.EDS)
    assert cluster["type"] == "EDS"
    assert "load_assignment" not in cluster


def test_original_destination_brings_its_own_balancing() -> None:
    cluster = built(Discovery.ORIGINAL_DST, endpoints=(), protocol=Protocol.TCP)
    assert (cluster["type"], cluster["lb_policy"]) == ("ORIGINAL_DST", "CLUSTER_PROVIDED")


@pytest.mark.parametrize(
    ("discovery", "family", "expected"),
    [
        (Discovery.LOGICAL_DNS, IpFamily.ANY, {"dns_lookup_family": "ALL", "all_addresses_in_single_endpoint": True}),
        (
            Discovery.LOGICAL_DNS,
            IpFamily.V4,
            {"dns_lookup_family": "V4_ONLY", "all_addresses_in_single_endpoint": True},
        ),
        (Discovery.STRICT_DNS, IpFamily.ANY, {"dns_lookup_family": "AUTO"}),
        (Discovery.STRICT_DNS, IpFamily.V6, {"dns_lookup_family": "V6_ONLY"}),
        (Discovery.STRICT_DNS, IpFamily.V4_FIRST, {"dns_lookup_family": "V4_PREFERRED"}),
    ],
)
def test_dns(discovery: Discovery, family: IpFamily, expected: dict[str, Any]) -> None:
    cluster = built(discovery, endpoints=(Endpoint("jazz.prod.svc.", 9080),), ip_family=family)
    config = cluster["cluster_type"]["typed_config"]
    kept = {
        key: value for key, value in config.items() if key in ("dns_lookup_family", "all_addresses_in_single_endpoint")
    }
    assert kept == expected
    assert "respect_dns_ttl" not in config


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        (Protocol.HTTP1, "http_protocol_options"),
        (Protocol.HTTP2, "http2_protocol_options"),
        (Protocol.GRPC, "http2_protocol_options"),
    ],
)
def test_protocol(protocol: Protocol, expected: str) -> None:
    (options,) = built(protocol=protocol)["typed_extension_protocol_options"].values()
    assert options["explicit_http_config"] == {expected: {}}


def test_tcp_has_no_http_options() -> None:
    assert "typed_extension_protocol_options" not in built(protocol=Protocol.TCP)


def test_idle_timeout() -> None:
    (options,) = built(idle_timeout_s=60)["typed_extension_protocol_options"].values()
    assert options["common_http_protocol_options"] == {"idle_timeout": "60s"}


@pytest.mark.parametrize(
    ("tls", "context", "per_request"),
    [
        (ClientTls(), {}, {"auto_sni": True}),
        (
            ClientTls(ca_pem="CA"),
            {"validation_context": {"trusted_ca": {"inline_string": "CA"}}},
            {"auto_sni": True, "auto_san_validation": True},
        ),
        (ClientTls("a.test"), {}, None),
    ],
)
def test_tls(tls: ClientTls, context: dict[str, Any], per_request: dict[str, Any] | None) -> None:
    cluster = built(tls=tls)
    socket = cluster["transport_socket"]["typed_config"]
    assert socket.get("sni") == tls.server_name
    assert socket["common_tls_context"] == {"alpn_protocols": ["http/1.1"], **context}
    (options,) = cluster["typed_extension_protocol_options"].values()
    assert options.get("upstream_http_protocol_options") == per_request


def test_outlier_detection_may_always_eject_one_host() -> None:
    detection = built(outlier_detection=OutlierDetection(5, 10, 30, 0))["outlier_detection"]
    assert detection["consecutive_5xx"] == 5
    assert detection["always_eject_one_host"] is True
    assert detection["enforcing_success_rate"] == 0


@pytest.mark.parametrize(
    ("protocol", "kind", "content"),
    [
        (Protocol.HTTP1, "http_health_check", {"path": "/ping"}),
        (Protocol.HTTP2, "http_health_check", {"path": "/ping", "codec_client_type": "HTTP2"}),
        (Protocol.GRPC, "grpc_health_check", {}),
        (Protocol.TCP, "tcp_health_check", {}),
    ],
)
def test_health_check(protocol: Protocol, kind: str, content: dict[str, Any]) -> None:
    (check,) = built(health_check=HealthCheck(protocol, 5, 2, 2, 2, "/ping"))["health_checks"]
    assert check[kind] == content
    assert check["interval"] == check["no_traffic_interval"] == "5s"


def test_endpoints_are_sorted_and_those_without_weight_left_out() -> None:
    endpoints = [Endpoint("10.0.0.2", 80), Endpoint("10.0.0.1", 80, weight=0), Endpoint("10.0.0.1", 81, "h", 3)]
    (locality,) = plain(load_assignment("c", endpoints))["endpoints"]
    found = [
        (one["endpoint"]["address"]["socket_address"]["address"], one["load_balancing_weight"])
        for one in locality["lb_endpoints"]
    ]
    assert found == [("10.0.0.1", 3), ("10.0.0.2", 1)]
