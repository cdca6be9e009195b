"""Routes: matches, actions, retries."""

from typing import Any

import pytest

from crossfade.compile.routing.matches import (
    HeaderMatch,
    PathMatchKind,
    QueryMatch,
    RangeMatch,
    RouteMatch,
    StringMatch,
    StringMatchKind,
)
from crossfade.compile.routing.patterns import re2_quoted
from crossfade.compile.routing.retry import RetryPolicy
from crossfade.compile.routing.routes import (
    Destination,
    Forward,
    HostRewrite,
    HostRewriteKind,
    RateLimit,
    Respond,
    Route,
    RouteTable,
    VirtualHost,
)
from crossfade.envoy import names
from crossfade.envoy.dump import plain
from crossfade.envoy.proto import local_ratelimit_v3
from crossfade.envoy.route import KnownHosts, route_configuration, route_from_model
from crossfade.envoy.route_matcher import LIST_LIMIT
from tests.support.models import ORIGIN

TO_A = Forward((Destination("a"),))
EXACT, PREFIX, SUFFIX, REGEX = StringMatchKind


def built(match: RouteMatch | None = None, action: Forward | Respond = TO_A) -> dict[str, Any]:
    result: dict[str, Any] = plain(route_from_model(Route("r", match or RouteMatch(), action, ORIGIN)))
    return result


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (RouteMatch("/x"), {"prefix": "/x"}),
        (RouteMatch("/x", PathMatchKind.EXACT), {"path": "/x"}),
        (RouteMatch("/x.", PathMatchKind.REGEX), {"safe_regex": {"regex": "/x."}}),
        (RouteMatch(is_grpc=True), {"prefix": "/", "grpc": {}}),
    ],
)
def test_path(match: RouteMatch, expected: dict[str, Any]) -> None:
    assert built(match)["match"] == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HeaderMatch("h"), {"present_match": True}),
        (HeaderMatch("h", inverted=True), {"present_match": True, "invert_match": True}),
        (HeaderMatch("h", (StringMatch(EXACT, "a"),)), {"string_match": {"exact": "a"}}),
        (
            HeaderMatch("h", (StringMatch(PREFIX, "a", ignores_case=True),)),
            {"string_match": {"prefix": "a", "ignore_case": True}},
        ),
        (HeaderMatch("h", (StringMatch(SUFFIX, "a"),)), {"string_match": {"suffix": "a"}}),
        (
            HeaderMatch("h", (StringMatch(REGEX, "a+", ignores_case=True),)),
            {"string_match": {"safe_regex": {"regex": "(?i)a+"}}},
        ),
        (HeaderMatch("h", (RangeMatch(1, 5),)), {"range_match": {"start": "1", "end": "5"}}),
        (
            HeaderMatch(
                "h", (StringMatch(EXACT, "a.b"), StringMatch(PREFIX, "c"), StringMatch(SUFFIX, "d", ignores_case=True))
            ),
            {"string_match": {"safe_regex": {"regex": r"(?:a\.b)|(?:c)(?s:.*)|(?s:.*)(?i:d)"}}},
        ),
    ],
)
def test_header(header: HeaderMatch, expected: dict[str, Any]) -> None:
    assert built(RouteMatch(headers=(header,)))["match"]["headers"] == [{"name": "h", **expected}]


def test_methods_and_scheme_are_pseudo_headers() -> None:
    headers = built(RouteMatch(methods=("GET", "HEAD"), scheme="https"))["match"]["headers"]
    assert headers == [
        {"name": ":method", "string_match": {"safe_regex": {"regex": "(?:GET)|(?:HEAD)"}}},
        {"name": ":scheme", "string_match": {"exact": "https"}},
    ]


def test_query_parameters() -> None:
    parameters = built(RouteMatch(query=(QueryMatch("a"), QueryMatch("b", "1"))))["match"]["query_parameters"]
    assert parameters == [{"name": "a", "present_match": True}, {"name": "b", "string_match": {"exact": "1"}}]


def test_weights_keep_their_sum_and_their_zeros() -> None:
    action = Forward((Destination("a", 95), Destination("b", 5), Destination("c", 0)))
    clusters = built(action=action)["route"]["weighted_clusters"]["clusters"]
    assert [(one["name"], one["weight"]) for one in clusters] == [("a", 95), ("b", 5), ("c", 0)]


def test_no_timeout_is_written_as_zero_because_absent_means_15_seconds() -> None:
    assert built(action=Forward((Destination("a"),), timeout_s=None))["route"]["timeout"] == "0s"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HostRewrite(), {}),
        (HostRewrite(HostRewriteKind.LITERAL, "x.test"), {"host_rewrite_literal": "x.test"}),
        (HostRewrite(HostRewriteKind.ENDPOINT), {"auto_host_rewrite": True}),
    ],
)
def test_host_rewrite(host: HostRewrite, expected: dict[str, Any]) -> None:
    route = built(action=Forward((Destination("a"),), host=host))["route"]
    assert {key: value for key, value in route.items() if "host" in key} == expected


def test_retries() -> None:
    retry = RetryPolicy(("connect-failure", "retriable-status-codes"), 2, (503,), per_try_timeout_s=0.25)
    policy = built(action=Forward((Destination("a"),), retry=retry))["route"]["retry_policy"]
    predicates = policy.pop("retry_host_predicate")
    assert [one["name"] for one in predicates] == ["envoy.retry_host_predicates.previous_hosts"]
    assert policy == {
        "retry_on": "connect-failure,retriable-status-codes,refused-stream,reset-before-request,retriable-headers",
        "retriable_headers": [
            {"name": "x-envoy-upstream-healthchecked-cluster", "string_match": {"exact": "x-crossfade-undelivered"}}
        ],
        "num_retries": 2,
        "retriable_status_codes": [503],
        "per_try_timeout": "0.250s",
        "host_selection_retry_max_attempts": "5",
    }


def test_an_answer_of_envoys_own() -> None:
    route = built(action=Respond(503, "{}", "application/json"))
    assert route["direct_response"] == {"status": 503, "body": {"inline_string": "{}"}}
    assert route["response_headers_to_add"][0]["header"] == {"key": "content-type", "value": "application/json"}


@pytest.mark.parametrize("count", [3, LIST_LIMIT + 1], ids=["list", "tree"])
def test_sharing_routes_between_virtual_hosts_changes_nothing(count: int) -> None:
    def routes() -> tuple[Route, ...]:
        return tuple(Route(f"r{number}", RouteMatch(f"/{number}"), TO_A, ORIGIN) for number in range(count))

    shared = routes()
    one_set = RouteTable("t", tuple(VirtualHost(name, (name,), shared) for name in ("a", "b")))
    own_sets = RouteTable("t", tuple(VirtualHost(name, (name,), routes()) for name in ("a", "b")))
    expected = plain(route_configuration(own_sets))
    assert plain(route_configuration(one_set)) == expected


def test_what_was_encoded_before_gives_the_same_table() -> None:
    def host(name: str, *paths: str) -> VirtualHost:
        routes = tuple(Route(path, RouteMatch(path), TO_A, ORIGIN) for path in paths)
        return VirtualHost(name, (name,), routes, ORIGIN)

    known = KnownHosts()
    for hosts in (
        (host("a", "/"), host("b", "/")),
        (host("a", "/", "/new"), host("b", "/")),
        (host("b", "/"), host("c"), host("a", "/new")),
        (host("b", "/"), host("b", "/other")),
        (),
    ):
        table = RouteTable("t", hosts, hidden_headers=("x-a",), copied_headers=(("x-b", "x-c"),))
        assert known.configuration(table, {}) == route_configuration(table)
        other = RouteTable("other", hosts)
        assert known.configuration(other, {}) == route_configuration(other)
        known.keep(["t"])


def test_quoting_for_re2() -> None:
    assert re2_quoted("a.b-c/é_1") == r"a\.b\-c\/é_1"


@pytest.mark.parametrize(
    ("limit", "tokens", "interval_ms"),
    [
        (RateLimit(1, 3600, 1), 1, 3_600_000),
        (RateLimit(20, 1, 5), 1, 50),
        (RateLimit(30, 1, 30), 2, 66.667),
        (RateLimit(100_000, 3600, 1), 2, 72),
        (RateLimit(4_294_967_295, 1, 4_294_967_295), 214_748_365, 50),
    ],
)
def test_a_limit_is_filled_evenly_as_often_as_envoy_does(limit: RateLimit, tokens: int, interval_ms: float) -> None:
    forward = Forward((Destination("c"),), rate_limit=limit)
    message = route_from_model(Route("r", RouteMatch(), forward, ORIGIN))
    packed = message.typed_per_filter_config[names.RATE_LIMIT_FILTER]
    bucket = local_ratelimit_v3.LocalRateLimit.FromString(packed.value).token_bucket
    assert (bucket.tokens_per_fill.value, bucket.max_tokens) == (tokens, limit.burst)
    assert bucket.fill_interval.seconds * 1000 + bucket.fill_interval.nanos / 1e6 == pytest.approx(
        interval_ms, rel=1e-4
    )
