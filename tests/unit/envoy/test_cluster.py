"""Clusters: discovery, protocol, limits, health."""

from typing import Any

import pytest

from crossfade.compile.model import (
    Algorithm,
    Balancing,
    ClientTls,
    Cluster,
    Discovery,
    Endpoint,
    HealthCheck,
    IpFamily,
    OutlierDetection,
    ProbeSocket,
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


@pytest.mark.parametrize(
    ("balancing", "expected"),
    [
        (Balancing(), {}),
        (Balancing(Algorithm.BETTER_OF_TWO), {"lb_policy": "LEAST_REQUEST"}),
        (
            Balancing(Algorithm.RING_HASH, 100),
            {
                "lb_policy": "RING_HASH",
                "ring_hash_lb_config": {"minimum_ring_size": "100", "maximum_ring_size": "8388608"},
            },
        ),
        (
            Balancing(least_healthy_percent=50),
            {
                "common_lb_config": {
                    "healthy_panic_threshold": {"value": 50.0},
                    "zone_aware_lb_config": {"fail_traffic_on_panic": True},
                }
            },
        ),
        (Balancing(least_healthy_percent=0), {"common_lb_config": {"healthy_panic_threshold": {}}}),
    ],
)
def test_balancing(balancing: Balancing, expected: dict[str, Any]) -> None:
    cluster = built(balancing=balancing)
    keys = ("lb_policy", "ring_hash_lb_config", "common_lb_config")
    assert {key: cluster[key] for key in keys if key in cluster} == expected


def test_the_least_of_all_is_looked_for() -> None:
    policy = built(balancing=Balancing(Algorithm.LEAST_REQUEST, least_healthy_percent=5))["load_balancing_policy"]
    (only,) = policy["policies"]
    config = only["typed_extension_config"]["typed_config"]
    assert config["selection_method"] == "FULL_SCAN"
    assert config["locality_lb_config"] == {"zone_aware_lb_config": {"fail_traffic_on_panic": True}}


def test_statuses_of_probes() -> None:
    check = HealthCheck(
        Protocol.HTTP1, 5, 2, 1, 3, failing_statuses=(500, 501, 503), host="a.test", headers=(("x", "%"),)
    )
    (found,) = built(health_check=check)["health_checks"]
    http = found["http_health_check"]
    assert http["expected_statuses"] == [
        {"start": "100", "end": "500"},
        {"start": "502", "end": "503"},
        {"start": "504", "end": "600"},
    ]
    assert http["retriable_statuses"] == [{"start": "500", "end": "502"}, {"start": "503", "end": "504"}]
    assert (http["host"], http["request_headers_to_add"][0]["header"]["value"]) == ("a.test", "%%")


@pytest.mark.parametrize(
    ("check", "socket"),
    [
        (HealthCheck(Protocol.HTTP1, 5, 2, 1, 3, socket=ProbeSocket.PLAIN), "envoy.transport_sockets.raw_buffer"),
        (
            HealthCheck(Protocol.HTTP1, 5, 2, 1, 3, socket=ProbeSocket.TLS, tls=ClientTls("a.test")),
            "envoy.transport_sockets.tls",
        ),
    ],
)
def test_probes_may_have_a_socket_of_their_own(check: HealthCheck, socket: str) -> None:
    cluster = built(health_check=check, tls=ClientTls())
    (match,) = cluster["transport_socket_matches"]
    assert match["transport_socket"]["name"] == socket
    assert cluster["health_checks"][0]["transport_socket_match_criteria"] == match["match"]


def test_failures_count_apart_from_statuses() -> None:
    detection = OutlierDetection(0, 1, 30, 100, consecutive_local_failures=2, failing_statuses=(429, 500))
    cluster = built(outlier_detection=detection)
    found = cluster["outlier_detection"]
    assert found["split_external_local_origin_errors"] is True
    assert (found["enforcing_consecutive_5xx"], found["consecutive_local_origin_failure"]) == (0, 2)
    (options,) = cluster["typed_extension_protocol_options"].values()
    (match,) = options["outlier_detection"]["error_matcher"]["http_response_headers_match"]["headers"]
    assert match["string_match"]["safe_regex"]["regex"] == "429|500"


def test_probed_endpoints_are_called_by_name() -> None:
    (locality,) = plain(load_assignment("c", [Endpoint("10.0.0.1", 80, "a.test")], are_probed=True))["endpoints"]
    assert locality["lb_endpoints"][0]["endpoint"]["health_check_config"] == {"hostname": "a.test"}


def test_endpoints_are_sorted_and_those_without_weight_left_out() -> None:
    endpoints = [Endpoint("10.0.0.2", 80), Endpoint("10.0.0.1", 80, weight=0), Endpoint("10.0.0.1", 81, "h", 3)]
    (locality,) = plain(load_assignment("c", endpoints))["endpoints"]
    found = [
        (one["endpoint"]["address"]["socket_address"]["address"], one["load_balancing_weight"])
        for one in locality["lb_endpoints"]
    ]
    assert found == [("10.0.0.1", 3), ("10.0.0.2", 1)]


@pytest.mark.parametrize(
    ("own", "zones", "priorities"),
    [
        ("", ["", "a", "b"], {"": 0, "a": 0, "b": 0}),
        ("a", ["", "a", "b"], {"": 1, "a": 0, "b": 1}),
        ("c", ["a", "b"], {"a": 0, "b": 0}),
        ("a", [], {}),
    ],
)
def test_the_own_zone_comes_first_where_it_has_endpoints(
    own: str, zones: list[str], priorities: dict[str, int]
) -> None:
    endpoints = [Endpoint(f"10.0.0.{number}", 80, zone=zone) for number, zone in enumerate(zones)]
    found = load_assignment("c", endpoints, own_zone=own).endpoints
    assert {one.locality.zone: one.priority for one in found} == priorities
