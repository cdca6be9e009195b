"""What a KongIngress's section upstream or a KongUpstreamPolicy makes of balancing and health checks."""

from typing import Any

import msgspec
import pytest

from crossfade.api.kong.ingress import KongIngress
from crossfade.api.kong.upstream import KongUpstreamPolicySpec, UpstreamEntity
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.healthchecks import ProbeTarget
from crossfade.compile.gateway.upstream_sources import policy_problems, sources_of
from crossfade.compile.gateway.upstreams import UpstreamPlan, upstream_plan
from crossfade.compile.model import Algorithm, ClientTls, ProbeSocket, Protocol
from crossfade.compile.routing.tables import Hashing, HashInput
from crossfade_kube.meta import ObjectMeta

PLAIN = ProbeTarget(Protocol.HTTP1, has_tls=False, host=None, authorities="/authorities.pem")


def planned(target: ProbeTarget = PLAIN, **upstream: Any) -> tuple[UpstreamPlan, dict[str, str]]:
    """Also what was told, by field."""
    entity = msgspec.convert(upstream, UpstreamEntity)
    diagnostics = Diagnostics()
    sources = sources_of(None, KongIngress(metadata=ObjectMeta(name="x"), upstream=entity), diagnostics)
    plan = upstream_plan(sources, target)
    return plan, {item.field.removeprefix("upstream."): item.message.partition(": ")[2] for item in diagnostics}


@pytest.mark.parametrize(
    ("upstream", "algorithm", "told"),
    [
        ({}, Algorithm.ROUND_ROBIN, []),
        ({"algorithm": "round-robin"}, Algorithm.ROUND_ROBIN, []),
        ({"algorithm": "least-connections"}, Algorithm.LEAST_REQUEST, []),
        ({"algorithm": "latency"}, Algorithm.BETTER_OF_TWO, []),
        ({"algorithm": "moon"}, Algorithm.ROUND_ROBIN, ["algorithm"]),
        ({"algorithm": "consistent-hashing"}, Algorithm.ROUND_ROBIN, ["algorithm"]),
        ({"algorithm": "consistent-hashing", "hash_on": "none"}, Algorithm.ROUND_ROBIN, ["algorithm"]),
        ({"algorithm": "least-connections", "hash_on": "ip"}, Algorithm.RING_HASH, []),
        ({"hash_on": "none"}, Algorithm.ROUND_ROBIN, []),
        ({"algorithm": "sticky-sessions"}, Algorithm.ROUND_ROBIN, ["algorithm"]),
        ({"hash_on": "ip", "slots": 5}, Algorithm.RING_HASH, ["slots"]),
    ],
)
def test_algorithms(upstream: dict[str, Any], algorithm: Algorithm, told: list[str]) -> None:
    plan, found = planned(**upstream)
    assert (plan.balancing.algorithm, list(found)) == (algorithm, told)
    assert plan.balancing.ring_size == (10_000 if algorithm is Algorithm.RING_HASH else None)


@pytest.mark.parametrize(
    ("upstream", "inputs", "told"),
    [
        ({"hash_on": "consumer"}, [HashInput("consumer")], []),
        ({"hash_on": "header", "hash_on_header": "X-A"}, [HashInput("header", "x-a")], []),
        ({"hash_on": "header"}, None, ["hash_on"]),
        ({"hash_on": "header", "hash_on_header": "a b"}, None, ["hash_on_header"]),
        ({"hash_on": "moon"}, None, ["hash_on"]),
        ({"hash_on": "cookie", "hash_on_cookie": "sid"}, [HashInput("cookie", "sid")], []),
        ({"hash_on": "cookie", "hash_on_cookie": "s;d"}, None, ["hash_on_cookie"]),
        (
            {"hash_on": "cookie", "hash_on_cookie": "sid", "hash_fallback": "ip"},
            [HashInput("cookie", "sid")],
            ["hash_fallback"],
        ),
        (
            {"hash_on": "ip", "hash_fallback": "cookie", "hash_on_cookie": "sid"},
            [HashInput("ip"), HashInput("cookie", "sid")],
            [],
        ),
        ({"hash_on": "ip", "hash_fallback": "ip"}, [HashInput("ip")], ["hash_fallback"]),
        ({"hash_on": "ip", "hash_fallback": "moon"}, [HashInput("ip")], ["hash_fallback"]),
        (
            {"hash_on": "query_arg", "hash_on_query_arg": "q", "hash_fallback": "none"},
            [HashInput("query_arg", "q")],
            [],
        ),
        ({"hash_on": "uri_capture", "hash_on_uri_capture": ""}, None, ["hash_on_uri_capture"]),
    ],
)
def test_inputs(upstream: dict[str, Any], inputs: list[HashInput] | None, told: list[str]) -> None:
    plan, found = planned(**upstream)
    assert plan.hashing == (None if inputs is None else Hashing(tuple(inputs)))
    assert list(found) == told


@pytest.mark.parametrize("path", ["x", "/a;b", "/\n", ""])
def test_a_cookies_path_cannot_hold_more(path: str) -> None:
    plan, found = planned(hash_on="cookie", hash_on_cookie="sid", hash_on_cookie_path=path)
    assert plan.hashing is not None
    assert (plan.hashing.cookie_path, list(found)) == ("/", ["hash_on_cookie_path"])


def active(**fields: Any) -> dict[str, Any]:
    return {"active": {"healthy": {"interval": 5}, "unhealthy": {"http_failures": 3}, **fields}}


def test_probes_as_kong_has_them_by_default() -> None:
    plan, told = planned(healthchecks=active())
    check = plan.health.check
    assert check is not None
    assert (check.protocol, check.path, check.timeout_s) == (Protocol.HTTP1, "/", 1)
    assert (check.interval_s, check.unhealthy_interval_s) == (5, 5)
    assert (check.healthy_threshold, check.unhealthy_threshold) == (1, 3)
    assert check.failing_statuses == (404, 429, 500, 501, 502, 503, 504, 505)
    assert (plan.balancing.least_healthy_percent, told) == (0, {})


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ({"active": {}}, []),
        ({"active": {"unhealthy": {"http_failures": 3}}}, []),
        ({"active": {"healthy": {"interval": 5}}}, ["healthchecks.active.unhealthy"]),
        (active(type="moon"), ["healthchecks.active.type"]),
        (active(type="grpc"), ["healthchecks.active.type"]),
        (active(healthy={"interval": 70_000}), ["healthchecks.active.healthy.interval"]),
        (active(type="https", https_sni="a b"), ["healthchecks.active.https_sni"]),
    ],
)
def test_no_probes(checks: dict[str, Any], told: list[str]) -> None:
    plan, found = planned(healthchecks=checks)
    assert (plan.health.check, list(found)) == (None, told)


def test_of_the_limits_the_least_that_counts_holds() -> None:
    limits = {"http_failures": 0, "tcp_failures": 7, "timeouts": 4}
    plan, _ = planned(healthchecks={"active": {"unhealthy": {"interval": 2, **limits}}})
    check = plan.health.check
    assert check is not None
    assert (check.unhealthy_threshold, check.failing_statuses, check.interval_s) == (4, (), 2)


@pytest.mark.parametrize(
    ("has_tls", "fields", "socket", "tls"),
    [
        (False, {}, ProbeSocket.AS_REQUESTS, None),
        (True, {}, ProbeSocket.PLAIN, None),
        (True, {"type": "tcp"}, ProbeSocket.PLAIN, None),
        (True, {"type": "https"}, ProbeSocket.TLS, ClientTls("web.test", ca_file="/authorities.pem")),
        (
            False,
            {"type": "https", "https_sni": "b.test"},
            ProbeSocket.TLS,
            ClientTls("b.test", ca_file="/authorities.pem"),
        ),
        (False, {"type": "https", "https_verify_certificate": False}, ProbeSocket.TLS, ClientTls("web.test")),
    ],
)
def test_sockets_of_probes(has_tls: bool, fields: dict[str, Any], socket: ProbeSocket, tls: ClientTls | None) -> None:
    target = ProbeTarget(Protocol.HTTP1, has_tls, "web.test:8443", "/authorities.pem")
    plan, told = planned(target, healthchecks=active(**fields))
    check = plan.health.check
    assert check is not None
    assert (check.socket, check.tls, told) == (socket, tls, {})


def test_nobody_is_trusted_where_no_authorities_are_known() -> None:
    target = ProbeTarget(Protocol.HTTP1, has_tls=False, host=None, authorities=None)
    plan, told = planned(target, healthchecks=active(type="https"))
    assert (plan.health.check, list(told)) == (None, ["healthchecks.active.https_verify_certificate"])


def test_headers_of_probes() -> None:
    headers = {"Host": ["a.test"], "X-A": ["1", "2"], "a b": ["3"], "X-B": ["a\r\nb"]}
    plan, told = planned(healthchecks=active(headers=headers))
    check = plan.health.check
    assert check is not None
    assert (check.host, check.headers) == ("a.test", (("X-A", "1"), ("X-A", "2")))
    assert list(told) == ["healthchecks.active.headers"]


@pytest.mark.parametrize(
    ("values", "sent"),
    [(["a" * 16_384], 1), (["a" * 16_385], 0), (["%" * 8192], 1), (["%" * 8193], 0), (["a"] * 1001, 1000)],
)
def test_headers_of_probes_are_what_envoy_takes(values: list[str], sent: int) -> None:
    plan, told = planned(healthchecks=active(headers={"X-A": values}))
    check = plan.health.check
    assert check is not None
    assert len(check.headers) == sent
    assert list(told) == ["healthchecks.active.headers"] * (sent != len(values))


def test_failures_of_requests() -> None:
    unhealthy = {"http_failures": 3, "tcp_failures": 2, "timeouts": 5, "http_statuses": [500, 429, 700]}
    plan, told = planned(healthchecks={"passive": {"unhealthy": unhealthy}, "threshold": 50})
    outliers = plan.health.outliers
    assert outliers is not None
    assert (outliers.consecutive_5xx, outliers.consecutive_local_failures) == (3, 2)
    assert outliers.failing_statuses == (429, 500)
    assert plan.balancing.least_healthy_percent == 50
    assert list(told) == ["healthchecks.passive.unhealthy.http_statuses"]


def test_with_hashing_no_threshold_is_kept() -> None:
    passive = {"passive": {"unhealthy": {"http_failures": 1}}, "threshold": 50}
    plan, told = planned(hash_on="ip", healthchecks=passive)
    assert (plan.balancing.least_healthy_percent, list(told)) == (0, ["healthchecks.threshold"])


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({}, []),
        ({"algorithm": "consistent-hashing", "hashOn": {"header": "a"}, "hashOnFallback": {"input": "ip"}}, []),
        ({"algorithm": "sticky-sessions", "hashOn": {"input": "none"}, "stickySessions": {"cookie": "a"}}, []),
        ({"hashOn": {"header": "a"}}, ["spec.algorithm"]),
        ({"algorithm": "consistent-hashing", "hashOn": {"header": "a", "input": "ip"}}, ["spec.hashOn"]),
        ({"algorithm": "consistent-hashing", "hashOn": {"cookie": "a"}}, ["spec.hashOn.cookie"]),
        ({"algorithm": "consistent-hashing", "hashOn": {"cookiePath": "/"}}, ["spec.hashOn.cookiePath"]),
        ({"algorithm": "least-connections", "hashOnFallback": {"input": "ip"}}, ["spec.hashOnFallback"]),
        ({"stickySessions": {"cookie": ""}}, ["spec.hashOn", "spec.stickySessions.cookie", "spec.algorithm"]),
        (
            {"healthchecks": {"passive": {"healthy": {"interval": 1}}}},
            ["spec.healthchecks.passive.healthy.interval"],
        ),
    ],
)
def test_the_rules_of_kongs_definition(spec: dict[str, Any], fields: list[str]) -> None:
    assert [field for field, _ in policy_problems(msgspec.convert(spec, KongUpstreamPolicySpec))] == fields
