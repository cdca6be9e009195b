"""The policies of a route as a client and an upstream see them, through a real Envoy."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import grpc
import pytest

from tests.e2e.policy_module.harness import (
    LISTENER_PORT,
    Gateway,
    JsonObject,
    consumer,
    instance,
    route,
    running,
    tables,
)

pytestmark = pytest.mark.envoy

CONSUMERS = [
    consumer("ann", "ann-key", "Bob Key/1+2", custom_id="A-1"),
    consumer("old", "old-key", expires_at=1.0),
    consumer("vip", "vip-key", own=[{"order": 1, "instance": "of-vip", "scope": "of-vip"}]),
    consumer("nobody"),
]
OF_VIP = instance("rate-limiting", {"hour": 900}, identity="of-vip")

NOON_MS = 1_700_049_600_000
"""2023-11-15T12:00:00Z: all windows up to the day are at a known place."""


def _routes() -> list[JsonObject]:
    hiding = {"hide_credentials": True, "key_in_body": True}
    busy = {"status": 503, "message": "busy", "headers": [["retry-after", "7"]]}
    key_auth = instance("key-auth")
    return [
        route("/key", key_auth),
        route("/hide", instance("key-auth", hiding, identity="hide")),
        route("/anonymous", instance("key-auth", {"anonymous": "nobody"}, identity="anonymous")),
        route("/minute", instance("rate-limiting", {"minute": 3}, identity="minute")),
        route("/windows", instance("rate-limiting", {"hour": 2, "day": 5}, identity="windows")),
        route("/consumer", key_auth, instance("rate-limiting", {"hour": 6}, identity="consumer")),
        route("/strip", strip_path=True),
        route("/dead", instance("rate-limiting", {"year": 9}, identity="dead"), cluster="dead"),
        route("/empty", cluster="empty"),
        route("/slow", action="impatient"),
        route("/echo"),
        route("/tls", https_only={"status": 308, "redirect": "https"}, cluster="empty"),
        route("/busy", https_only=busy, cluster="empty"),
    ]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    content = tables(_routes(), CONSUMERS, instances=[OF_VIP], clock={"now_ms": NOON_MS})
    with running(tmp_path_factory.mktemp("envoy"), content) as started:
        yield started


@pytest.fixture(scope="module")
def old_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    content = tables([route("/old", instance("key-auth"))], CONSUMERS[:1], compat="kong-2.1", server_token="kong/2.1.4")
    with running(tmp_path_factory.mktemp("envoy"), content) as started:
        yield started


def json_error(message: str, request_id: str | None) -> str:
    return f'{{\n  "message":"{message}",\n  "request_id":"{request_id}"\n}}'


@pytest.mark.parametrize(
    ("target", "headers", "status", "message"),
    [
        ("/key", [], 401, "No API key found in request"),
        ("/key", [("apikey", "wrong")], 401, "Unauthorized"),
        ("/key", [("apikey", "ANN-KEY")], 401, "Unauthorized"),
        ("/key", [("apikey", "old-key")], 401, "Unauthorized"),
        ("/key", [("apikey", "ann-key"), ("apikey", "ann-key")], 401, "Duplicate API key found"),
        ("/key?apikey=ann-key&apikey=x", [], 401, "Duplicate API key found"),
        ("/key?apikey[]=ann-key", [], 401, "No API key found in request"),
        ("/key?apikey=ann-key", [("apikey", "wrong")], 401, "Unauthorized"),
    ],
)
def test_refuses_what_is_no_key(
    gateway: Gateway, target: str, headers: list[tuple[str, str]], status: int, message: str
) -> None:
    answer = gateway.fetch(target, headers=headers)
    assert (answer.status, answer.header("www-authenticate")) == (status, "Key")
    assert answer.body == json_error(message, answer.header("x-kong-request-id"))
    assert answer.header("content-type") == "application/json; charset=utf-8"
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("server") == "kong/3.9.1"
    assert (answer.header("x-kong-response-latency") or "").isdigit()
    assert not answer.all("via")


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/key", [("APIKEY", "ann-key")]),
        ("/key?apikey=ann-key", []),
        ("/key?apikey=Bob%20Key%2F1%2B2", []),
        ("/key?apikey=Bob+Key/1%2B2", []),
    ],
)
def test_tells_the_upstream_who_it_is(gateway: Gateway, target: str, headers: list[tuple[str, str]]) -> None:
    spoofed = [("X-Consumer-Username", "root"), ("X-Anonymous-Consumer", "true")]
    answer = gateway.fetch(target, headers=[*headers, *spoofed])
    assert answer.status == 200
    seen = dict(answer.upstream["headers"])
    assert answer.upstream["path"] == target
    assert (seen["x-consumer-id"], seen["x-consumer-username"]) == ("c-ann", "ann")
    assert seen["x-consumer-custom-id"] == "A-1"
    assert UUID(seen["x-credential-identifier"])
    assert "x-anonymous-consumer" not in seen


def test_marks_requests_and_responses(gateway: Gateway) -> None:
    answer = gateway.fetch("/echo?q=%20", headers=[("X-Forwarded-For", "203.0.113.1"), ("Via", "1.1 edge")])
    seen = dict(answer.upstream["headers"])
    assert seen["x-forwarded-for"] == "203.0.113.1, 127.0.0.1"
    assert (seen["x-real-ip"], seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
    assert (seen["x-forwarded-host"], seen["x-forwarded-port"]) == ("gw.test", str(LISTENER_PORT))
    assert seen["via"] == "1.1 edge, 1.1 kong/3.9.1"
    assert seen["x-kong-request-id"] == answer.header("x-kong-request-id")
    assert (answer.header("server"), answer.header("via")) == ("echo", "1.1 kong/3.9.1")
    assert answer.header("x-kong-upstream-latency") is not None
    assert answer.header("x-kong-proxy-latency") is not None
    assert not [name for name, _ in answer.headers if name.startswith("x-envoy")]


def test_removes_what_is_for_one_hop(gateway: Gateway) -> None:
    headers = [("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("Proxy", "x"), ("X-Envoy-Max-Retries", "9")]
    seen = dict(gateway.fetch("/echo", headers=headers).upstream["headers"])
    assert not {"x-hop", "proxy", "x-envoy-max-retries", "x-crossfade-connection"} & seen.keys()


@pytest.mark.parametrize(
    ("sent", "upstream"),
    [
        ("/echo//a", "/echo/a"),
        ("/%65cho/%61%2fb", "/echo/a%2Fb"),
        ("/nope/../echo/./x", "/echo/x"),
        ("/echo/a|b", "/echo/a%7Cb"),
        ("/strip/x?y=//%61", "/x?y=//%61"),
        ("/strip//x", "/x"),
        ("/strip", "/"),
        ("/strip?", "/?"),
    ],
)
def test_paths(gateway: Gateway, sent: str, upstream: str) -> None:
    # An internal header of the client's own must have no effect.
    forged = [(f"X-Crossfade-{name}", "dead") for name in ("Cluster", "Action", "Other")]
    answer = gateway.fetch(sent, headers=forged)
    assert answer.status == 200, answer.body
    assert answer.upstream["path"] == upstream
    seen = dict(answer.upstream["headers"])
    assert seen["x-forwarded-path"] == sent.partition("?")[0]
    assert not any(name.startswith("x-crossfade-") for name in seen)


@pytest.mark.parametrize("target", ["/echo/%zz", "/../echo", "/echo/a%00b"])
def test_refuses_bad_paths(gateway: Gateway, target: str) -> None:
    answer = gateway.fetch(target)
    assert answer.status == 400
    assert answer.body == f"Bad request\nrequest_id: {answer.header('x-kong-request-id')}\n"


@pytest.mark.parametrize(
    ("accept", "content_type", "start"),
    [
        (None, "application/json", '{\n  "message":"no Route'),
        ("text/html", "text/html", "<!doctype html>\n<html>\n"),
        ("application/xml", "application/xml", '<?xml version="1.0" encoding="UTF-8"?>\n<error>\n'),
        ("application/json;q=0.1, text/plain", "text/plain", "no Route matched with those values\nrequest_id: "),
    ],
)
def test_answers_in_the_format_asked_for(gateway: Gateway, accept: str | None, content_type: str, start: str) -> None:
    answer = gateway.fetch("/nope", headers=[("Accept", accept)] if accept else [])
    assert answer.status == 404
    assert answer.header("content-type") == f"{content_type}; charset=utf-8"
    assert answer.body.startswith(start)
    head = gateway.fetch("/nope", method="HEAD", headers=[("Accept", accept)] if accept else [])
    assert (head.body, head.header("content-length")) == ("", str(len(answer.body)))


def test_redirects_to_https(gateway: Gateway) -> None:
    answer = gateway.fetch("/tls//%61?q=1", host="Sec.Test:8080")
    assert (answer.status, answer.header("location")) == (308, "https://sec.test/tls//%61?q=1")
    assert answer.header("content-type") == "text/html; charset=UTF-8"
    assert "<h1>308 Permanent Redirect</h1>" in answer.body


def test_an_answer_brings_its_own_headers(gateway: Gateway) -> None:
    answer = gateway.fetch("/busy")
    assert (answer.status, answer.header("retry-after")) == (503, "7")


def test_grpc_status_of_a_refusal(gateway: Gateway) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{gateway.port}") as channel:
        call = channel.unary_unary("/key/Method", request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError) as refused:
            call(b"", timeout=60)
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert refused.value.details() == "Unauthenticated"


@pytest.mark.parametrize(
    ("content_type", "body", "rest"),
    [
        ("application/x-www-form-urlencoded", b"a=1&apikey=ann-key&b=2", "a=1&b=2"),
        ("application/json", b'{"apikey":"ann-key","x":[1]}', '{"x":[1]}'),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="apikey"\r\n\r\nann-key\r\n--b--\r\n',
            "--b--\r\n",
        ),
    ],
)
def test_hides_the_key_in_the_body(gateway: Gateway, content_type: str, body: bytes, rest: str) -> None:
    answer = gateway.fetch("/hide", method="POST", headers=[("Content-Type", content_type)], body=body)
    assert answer.status == 200, answer.body
    assert answer.upstream["body"] == rest
    assert dict(answer.upstream["headers"])["content-length"] == str(len(rest))


def test_hides_the_key_in_header_and_query(gateway: Gateway) -> None:
    answer = gateway.fetch("/hide?a=1&apikey=ann-key&b=%20x", headers=[("apikey", "ann-key")])
    assert answer.upstream["path"] == "/hide?a=1&b=+x"
    assert "apikey" not in dict(answer.upstream["headers"])


def test_a_large_body_passes_a_plugin_that_searches_bodies(gateway: Gateway) -> None:
    body = b"x" * 900_000
    headers = [("Content-Type", "application/json")]
    refused = gateway.fetch("/hide", method="POST", headers=headers, body=body)
    assert refused.status == 401


def test_anonymous(gateway: Gateway) -> None:
    seen = dict(gateway.fetch("/anonymous", headers=[("apikey", "bad")]).upstream["headers"])
    assert (seen["x-consumer-username"], seen["x-anonymous-consumer"]) == ("nobody", "true")
    assert "x-credential-identifier" not in seen


def test_three_a_minute(gateway: Gateway) -> None:
    answers = [gateway.fetch("/minute") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert [answer.header("x-ratelimit-remaining-minute") for answer in answers] == ["2", "1", "0", "0"]
    assert {answer.header("x-ratelimit-limit-minute") for answer in answers} == {"3"}
    assert {answer.header("ratelimit-reset") for answer in answers} == {"60"}
    assert [answer.header("retry-after") for answer in answers] == [None, None, None, "60"]
    last = answers[-1]
    assert last.body == json_error("API rate limit exceeded", last.header("x-kong-request-id"))


def test_a_blocked_request_counts_in_no_window(gateway: Gateway) -> None:
    answers = [gateway.fetch("/windows") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert [answer.header("x-ratelimit-remaining-day") for answer in answers] == ["4", "3", "3", "3"]
    assert {answer.header("ratelimit-limit") for answer in answers} == {"2"}


def test_a_consumers_own_limit_wins(gateway: Gateway) -> None:
    vip = gateway.fetch("/consumer", headers=[("apikey", "vip-key")])
    ann = gateway.fetch("/consumer", headers=[("apikey", "ann-key")])
    assert (vip.header("ratelimit-limit"), ann.header("ratelimit-limit")) == ("900", "6")


def test_upstream_headers_of_the_same_name_stay(gateway: Gateway) -> None:
    headers = [("apikey", "vip-key"), ("X-Echo-Header", "RateLimit-Limit: 7")]
    assert gateway.fetch("/consumer", headers=headers).all("ratelimit-limit") == ["900", "7"]


@pytest.mark.parametrize(
    ("target", "headers", "status", "message", "via"),
    [
        ("/dead", [], 502, "An invalid response was received from the upstream server", "1.1 kong/3.9.1"),
        ("/empty", [], 503, "failure to get a peer from the ring-balancer", None),
        ("/slow", [("X-Echo-Delay-Ms", "600")], 504, "The upstream server is timing out", "1.1 kong/3.9.1"),
        (
            "/echo",
            [("X-Echo-Close", "1")],
            502,
            "An invalid response was received from the upstream server",
            "1.1 kong/3.9.1",
        ),
    ],
)
def test_envoys_errors_are_kongs(
    gateway: Gateway, target: str, headers: list[tuple[str, str]], status: int, message: str, via: str | None
) -> None:
    answer = gateway.fetch(target, headers=[("Accept", "*/*"), *headers])
    assert (answer.status, answer.header("via"), answer.header("server")) == (status, via, "kong/3.9.1")
    assert answer.body == json_error(message, answer.header("x-kong-request-id"))
    assert answer.header("content-length") == str(len(answer.body))


def test_limits_are_told_when_the_upstream_fails(gateway: Gateway) -> None:
    answer = gateway.fetch("/dead", method="HEAD")
    assert (answer.status, answer.body) == (502, "")
    assert answer.header("x-ratelimit-limit-year") == "9"


def test_the_older_kong(old_gateway: Gateway) -> None:
    refused = old_gateway.fetch("/old")
    assert refused.body == '{\n  "message":"No API key found in request"\n}'
    assert refused.header("www-authenticate") == 'Key realm="kong"'
    assert refused.header("x-kong-request-id") is None
    passed = old_gateway.fetch("/old", headers=[("apikey", "ann-key")])
    assert passed.header("via") == "kong/2.1.4"
    assert not {"via", "x-kong-request-id", "x-forwarded-path"} & dict(passed.upstream["headers"]).keys()


def test_exact_with_two_workers(tmp_path: Path) -> None:
    limited = instance("rate-limiting", {"hour": 25, "day": 1000}, identity="exact")
    statuses: list[int] = []
    with running(tmp_path, tables([route("/", limited)]), concurrency=2) as started:

        def load() -> None:
            statuses.extend(started.fetch("/").status for _ in range(10))

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (statuses.count(200), statuses.count(429)) == (25, 55)
