"""A browser calls a gRPC service through the gateway: gRPC-Web in, gRPC to the service, gRPC-Web back."""

import base64
import http.client
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import NamedTuple

import grpc
import pytest

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service

pytestmark = pytest.mark.envoy

PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: web}
plugin: grpc-web
config: {allow_origin_header: "https://shop.example"}
---
"""
METHOD = "/shop.Greeter/Hello"
QUESTION = b"\0\0\0\0\x03ann"
ANSWER = b"\0\0\0\0\x09hello ann"


def answer(question: bytes, context: grpc.ServicerContext) -> bytes:
    del context
    return b"hello " + question


class Greeter(grpc.GenericRpcHandler):
    """Messages are plain bytes: what is in them is none of the gateway's business."""

    def service(self, call: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        if call.method != METHOD:
            return None
        return grpc.unary_unary_rpc_method_handler(answer)


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@contextmanager
def greeter() -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Greeter(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("manifests")
    with greeter() as port:
        speaks_grpc = service("greeter", port).replace(
            "{name: greeter}", "{name: greeter, annotations: {konghq.com/protocol: grpc}}", 1
        )
        route = ingress("greeter", "/shop.Greeter", "greeter", "konghq.com/plugins: web")
        (folder / "all.yaml").write_text(PLUGIN + speaks_grpc + route)
        with running_gateway(folder) as running:
            eventually(lambda: ask(running, b"", "", "OPTIONS").status == 200, seen=running.lines)
            yield running


def ask(gateway: RunningGateway, body: bytes, content_type: str, method: str = "POST") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        connection.request(method, METHOD, body, {"Content-Type": content_type} if content_type else {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def frames(body: bytes) -> list[tuple[int, bytes]]:
    """Kind (0: a message, 128: trailers) and content of each."""
    found = []
    while body:
        end = 5 + int.from_bytes(body[1:5])
        found.append((body[0], body[5:end]))
        body = body[end:]
    return found


@pytest.mark.parametrize("content_type", ["application/grpc-web", "application/grpc-web+proto"])
def test_in_binary(gateway: RunningGateway, content_type: str) -> None:
    answer = ask(gateway, QUESTION, content_type)
    assert answer.status == 200, answer
    assert answer.headers.get_all("Content-Type") == [content_type]
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["https://shop.example"]
    (message, (kind, trailers)) = frames(answer.body)
    assert message == (0, ANSWER[5:])
    assert kind == 128
    assert b"grpc-status:0\r\n" in trailers


@pytest.mark.parametrize("content_type", ["application/grpc-web-text", "application/grpc-web-text+proto"])
def test_in_text(gateway: RunningGateway, content_type: str) -> None:
    answer = ask(gateway, base64.b64encode(QUESTION), content_type)
    assert answer.status == 200, answer
    assert answer.headers.get_all("Content-Type") == [content_type]
    # Parts may be padded on their own.
    groups = (answer.body[place : place + 4] for place in range(0, len(answer.body), 4))
    ((_, message), (kind, trailers)) = frames(b"".join(base64.b64decode(group) for group in groups))
    assert message == ANSWER[5:]
    assert kind == 128
    assert b"grpc-status:0\r\n" in trailers


def test_a_browser_that_asks_first_is_answered(gateway: RunningGateway) -> None:
    answer = ask(gateway, b"", "", "OPTIONS")
    assert (answer.status, answer.body) == (200, b"OK")
    assert answer.headers["Access-Control-Allow-Methods"] == "POST"
    assert answer.headers["Content-Type"] == "application/grpc-web-text+proto"


def test_json_is_refused(gateway: RunningGateway) -> None:
    answer = ask(gateway, b"{}", "application/json")
    assert (answer.status, answer.body) == (400, b"transcoding requests require a .proto file defining the service")
