"""Requests that request-transformer edits, as a real Envoy sends them on."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.e2e.policy_module.harness import DEADLINE_S, Gateway, echo_upstream, instance, route, tables

pytestmark = pytest.mark.envoy

JSON = ("Content-Type", "application/json")
EDITS = {"remove": {"body": ["secret"]}, "add": {"body": ["added:$(query_params.q or 'no')"]}}
LIMIT = 512 * 1024


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    routes = [
        route("/head", instance("request-transformer", {"http_method": "HEAD"}, identity="head")),
        route("/get", instance("request-transformer", {"http_method": "GET"}, identity="get")),
        route("/post", instance("request-transformer", {"http_method": "POST", **EDITS}, identity="post")),
    ]
    with echo_upstream() as port:
        gateway = Gateway(tmp_path_factory.mktemp("transformer"), port, tables(routes))
        try:
            gateway.start()
            yield gateway
        finally:
            gateway.stop()


def test_a_client_of_head_gets_no_body_of_a_get(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=DEADLINE_S) as connection:
        connection.sendall(b"HEAD /get HTTP/1.1\r\nHost: gw.test\r\n\r\n")
        connection.sendall(b"HEAD /get HTTP/1.1\r\nHost: gw.test\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answers:
            everything = answers.read()
    first, second, nothing = everything.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert second.startswith(b"HTTP/1.1 200 OK")
    assert nothing == b""


def test_a_client_of_get_does_not_wait_for_the_body_of_a_head(gateway: Gateway) -> None:
    answer = gateway.fetch("/head")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, "", "0")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"secret":1,"kept":1.50}', '{"kept":1.50,"added":"1"}'),
        (b"", '{"added":"1"}'),
        (b"not json", "not json"),
    ],
)
def test_bodies(gateway: Gateway, body: bytes, expected: str) -> None:
    upstream = gateway.fetch("/post?q=1", method="POST", headers=[JSON], body=body).upstream
    assert upstream["body"] == expected
    assert ["content-length", str(len(expected))] in upstream["headers"]


def test_a_body_for_a_request_that_has_none(gateway: Gateway) -> None:
    upstream = gateway.fetch("/post", headers=[JSON]).upstream
    assert (upstream["method"], upstream["body"]) == ("POST", '{"added":"no"}')


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_no_body_is_sent_unedited(gateway: Gateway, size: int, status: int, *, is_chunked: bool) -> None:
    body = b'{"secret":1,"kept":"' + b"x" * (size - 22) + b'"}'
    framing = [("Transfer-Encoding", "chunked")] if is_chunked else [("Content-Length", str(size))]
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body) if is_chunked else body
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=DEADLINE_S) as connection:
        head = ["POST /post HTTP/1.1", "Host: gw.test", "Connection: close"]
        head += [f"{name}: {value}" for name, value in [JSON, *framing]]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        connection.sendall(sent)
        with connection.makefile("rb") as answer:
            lines = answer.read()
    assert lines.startswith(b"HTTP/1.1 %d " % status)
    if status == 200:
        upstream = json.loads(lines.partition(b"\r\n\r\n")[2])
        assert json.loads(upstream["body"]) == {"kept": "x" * (size - 22), "added": "no"}
