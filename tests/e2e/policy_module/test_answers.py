"""Answers that plugins give instead of the upstream, and ids that requests get, through a real Envoy."""

import http.client
import json
import re
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.e2e.policy_module.harness import (
    DEADLINE_S,
    LISTENER_PORT,
    Gateway,
    JsonObject,
    instance,
    route,
    running,
    tables,
)

pytestmark = pytest.mark.envoy


def _terminated(path: str, config: JsonObject) -> JsonObject:
    return route(path, instance("request-termination", config, identity=path))


def _identified(path: str, config: JsonObject) -> JsonObject:
    return route(path, instance("correlation-id", {"echo_downstream": True, **config}, identity=path))


ROUTES = [
    _terminated("/untyped", {"status_code": 201, "body": '{"a":1}'}),
    _terminated("/typed", {"status_code": 200, "body": "<p>hi</p>", "content_type": "text/html"}),
    _terminated("/empty", {"status_code": 418}),
    _terminated("/nothing", {"status_code": 204}),
    _terminated("/message", {"message": "a/b"}),
    _terminated("/echo", {"status_code": 200, "echo": True}),
    _identified("/uuid", {"generator": "uuid", "header_name": "X-Corr"}),
    _identified("/tracker", {"generator": "tracker", "header_name": "X-Track"}),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running(tmp_path_factory.mktemp("envoy"), tables(ROUTES)) as gateway:
        yield gateway


@pytest.mark.parametrize(
    ("path", "status", "content_type", "body"),
    [
        ("/untyped", 201, None, '{"a":1}'),
        ("/typed", 200, "text/html; charset=UTF-8", "<p>hi</p>"),
        ("/empty", 418, None, ""),
        ("/nothing", 204, None, ""),
        ("/message", 503, "application/json; charset=utf-8", '{"message":"a\\/b"}'),
    ],
)
def test_answers_on_one_connection(
    gateway: Gateway, path: str, status: int, content_type: str | None, body: str
) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=DEADLINE_S)) as connection:
        for method, sent in (("GET", None), ("HEAD", None), ("POST", b"x" * 100_000), ("GET", None)):
            connection.request(method, path, sent, {"Host": "gw.test"})
            response = connection.getresponse()
            assert (response.status, response.getheader("content-type")) == (status, content_type)
            if body or method != "HEAD":
                length = None if status == 204 else str(len(body))
                assert response.getheader("content-length") == length
            assert response.getheader("server") == "kong/3.9.1"
            assert response.read().decode() == ("" if method == "HEAD" else body)


def test_an_echo_shows_the_request(gateway: Gateway) -> None:
    answer = gateway.fetch("/echo?a=1", method="POST", headers=[("X-A", "1")], body=b"cool body")
    request = json.loads(answer.body)["request"]
    assert (request["method"], request["path"], request["query"]) == ("POST", "/echo", {"a": "1"})
    assert request["raw_body"] == "cool body"
    assert request["headers"]["x-a"] == "1"
    assert request["host"] == "gw.test"
    assert request["port"] == LISTENER_PORT
    assert not [name for name in request["headers"] if name.startswith(("x-crossfade-", "x-envoy-", ":"))]


def test_ids_reach_both_ends(gateway: Gateway) -> None:
    for path, name, pattern in (
        ("/uuid", "x-corr", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        ("/tracker", "x-track", rf"127\.0\.0\.1-{LISTENER_PORT}-\d+-[1-9]\d*-\d+-\d{{10}}\.\d{{3}}"),
    ):
        answer = gateway.fetch(path)
        told = answer.header(name)
        assert told is not None
        assert re.fullmatch(pattern, told)
        assert [name, told] in answer.upstream["headers"]
