"""Clients of JSON call a gRPC service through the gateway: a .proto file beside the manifests says how."""

import http.client
import json
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

from tests.support.gateway import RunningGateway, eventually, ingress, running_gateway, service
from tests.support.ports import free_ports

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(120)]

PLUGIN: Final = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: json}
plugin: grpc-gateway
config: {proto: /usr/local/kong/protos/shop.proto}
---
"""
ANNOTATIONS: Final = 'konghq.com/plugins: json, konghq.com/strip-path: "false"'
PROTO: Final = """\
syntax = "proto3";
package shop;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
import "places.proto";

service Shop {
  rpc Hello (Question) returns (Answer) {
    option (google.api.http) = {
      get: "/v1/hello/{name}"
      additional_bindings { get: "/v1/old/{name=**}" }
      additional_bindings { post: "/v1/hello" body: "*" }
      additional_bindings { put: "/v1/hello/{name}" body: "place" }
    };
  }
  rpc Fail (Question) returns (Answer) { option (google.api.http) = { get: "/v1/fail/{name}" }; }
  rpc Late (Question) returns (Answer) { option (google.api.http) = { get: "/v1/late" }; }
  rpc Count (Question) returns (stream Answer) { option (google.api.http) = { get: "/v1/count/{id}" }; }
  rpc Missing (Question) returns (Answer) { option (google.api.http) = { get: "/v1/missing" }; }
}
message Question {
  string name = 1;
  int64 id = 2;
  bool loud = 3;
  repeated string tags = 4;
  Place place = 5;
  google.protobuf.Timestamp when = 6;
}
message Answer {
  string text = 1;
  int64 id = 2;
  repeated string tags = 3;
  google.protobuf.Timestamp when = 4;
}
"""
PLACES: Final = """\
syntax = "proto3";
package shop;
message Place { string town = 1; }
"""
FIELDS: Final = {
    "Place": (("town", 1, Field.TYPE_STRING, ""),),
    "Question": (
        ("name", 1, Field.TYPE_STRING, ""),
        ("id", 2, Field.TYPE_INT64, ""),
        ("loud", 3, Field.TYPE_BOOL, ""),
        ("tags", 4, Field.TYPE_STRING, "repeated"),
        ("place", 5, Field.TYPE_MESSAGE, ".shop.Place"),
        ("when", 6, Field.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
    ),
    "Answer": (
        ("text", 1, Field.TYPE_STRING, ""),
        ("id", 2, Field.TYPE_INT64, ""),
        ("tags", 3, Field.TYPE_STRING, "repeated"),
        ("when", 4, Field.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
    ),
}
GO_ON: Final = threading.Event()


def message_class(name: str) -> Any:
    """As protobuf's own library reads the same file."""
    file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")
    for message, fields in FIELDS.items():
        made = file.message_type.add(name=message)
        for field, number, kind, more in fields:
            label = Field.LABEL_REPEATED if more == "repeated" else Field.LABEL_OPTIONAL
            made.field.add(
                name=field, number=number, type=kind, label=label, type_name=more if more.startswith(".") else None
            )
    pool = descriptor_pool.DescriptorPool()
    known = descriptor_pb2.FileDescriptorProto()
    timestamp_pb2.DESCRIPTOR.CopyToProto(known)
    pool.Add(known)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}"))


QUESTION: Final = message_class("Question")
ANSWER: Final = message_class("Answer")


def hello(question: Any, context: grpc.ServicerContext) -> Any:
    text = f"hello {question.name}" + (f" of {question.place.town}" if question.HasField("place") else "")
    answer = ANSWER(text=text.upper() if question.loud else text, id=question.id, tags=question.tags)
    if question.HasField("when"):
        answer.when.seconds = question.when.seconds + 1
    told = {key: value for key, value in context.invocation_metadata() if key in ("connection", "accept")}
    context.set_trailing_metadata(tuple((f"x-{key}", str(value)) for key, value in told.items()))
    return answer


def fail(question: Any, context: grpc.ServicerContext) -> Any:
    context.abort(grpc.StatusCode[question.name], "because")


def late(question: Any, context: grpc.ServicerContext) -> Any:
    del question
    context.send_initial_metadata((("x-first", "1"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "too late")


def count(question: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    del context
    for number in range(question.id):
        yield ANSWER(id=number)
        GO_ON.wait(10)


def method(behaviour: Any, *, streams: bool = False) -> "grpc.RpcMethodHandler[Any, Any]":
    make = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
    return make(behaviour, QUESTION.FromString, lambda answer: answer.SerializeToString())


METHODS: Final = {
    "Hello": method(hello),
    "Fail": method(fail),
    "Late": method(late),
    "Count": method(count, streams=True),
}


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def shop() -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Shop", METHODS),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        server.stop(None).wait()


def speaking_grpc(name: str, port: int) -> str:
    return service(name, port).replace(
        f"{{name: {name}}}", f"{{name: {name}, annotations: {{konghq.com/protocol: grpc}}}}", 1
    )


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    folder = tmp_path_factory.mktemp("manifests")
    with shop() as port:
        (folder / "all.yaml").write_text(
            PLUGIN + speaking_grpc("shop", port) + ingress("shop", "/v1", "shop", ANNOTATIONS)
        )
        (folder / "shop.proto").write_text(PROTO)
        (folder / "places.proto").write_text(PLACES)
        with running_gateway(folder) as running:
            eventually(lambda: ask(running, "OPTIONS", "/v1/x").status == 200, seen=running.lines)
            yield running


def ask(gateway: RunningGateway, verb: str, path: str, body: bytes | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        headers = {} if body is None else {"Content-Type": "application/json"}
        connection.request(verb, path, body, {**headers, "TE": "chunked", "Accept": "application/json"})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("verb", "path", "body", "expected"),
    [
        ("GET", "/v1/hello/ann", None, {"text": "hello ann"}),
        ("GET", "/v1/old/a/b", None, {"text": "hello a/b"}),
        ("GET", "/v1/hello/ann?id=9007199254740993&other=1", None, {"text": "hello ann", "id": 9007199254740993}),
        ("GET", "/v1/hello/ann?loud=true&tags=a&tags=b", None, {"text": "HELLO ANN", "tags": ["a", "b"]}),
        ("GET", "/v1/hello/ann?loud=0&place.town=rome", None, {"text": "hello ann of rome"}),
        ("POST", "/v1/hello", b'{"name":"bob","place":{"town":"oslo"}}', {"text": "hello bob of oslo"}),
        ("POST", "/v1/hello", b"", {"text": "hello "}),
        ("POST", "/v1/hello", b'{"when":"2024-02-29T12:30:15Z"}', {"text": "hello ", "when": "2024-02-29T12:30:16"}),
        ("PUT", "/v1/hello/eve", b'{"town":"bern"}', {"text": "hello eve of bern"}),
        ("GET", "/v1/hello/ann", b"a body that nobody asked for", {"text": "hello ann"}),
    ],
)
def test_a_request_of_json_calls_a_method(
    gateway: RunningGateway, verb: str, path: str, body: bytes | None, expected: dict[str, Any]
) -> None:
    answer = ask(gateway, verb, path, body)
    assert answer.status == 200, answer
    assert answer.json() == {"id": 0, "tags": [], **expected}
    assert answer.headers.get_all("Content-Type") == ["application/json"]
    assert answer.headers.get_all("Access-Control-Allow-Origin") == ["*"]


@pytest.mark.parametrize(
    ("name", "status"),
    [("INVALID_ARGUMENT", 400), ("NOT_FOUND", 404), ("UNAUTHENTICATED", 401), ("UNAVAILABLE", 503), ("CANCELLED", 499)],
)
def test_an_error_of_the_service_is_a_status(gateway: RunningGateway, name: str, status: int) -> None:
    answer = ask(gateway, "GET", f"/v1/fail/{name}")
    assert (answer.status, answer.body) == (status, b"")
    assert answer.headers["grpc-status"] == str(grpc.StatusCode[name].value[0])
    assert answer.headers["grpc-message"] == "because"
    assert answer.headers["Content-Type"] == "application/json"


def test_a_method_that_the_service_lacks(gateway: RunningGateway) -> None:
    answer = ask(gateway, "GET", "/v1/missing")
    assert (answer.status, answer.headers["grpc-status"]) == (500, "12")


def test_an_error_behind_the_headers_comes_too_late(gateway: RunningGateway) -> None:
    answer = ask(gateway, "GET", "/v1/late")
    assert (answer.status, answer.body, answer.headers["x-first"]) == (200, b"", "1")


def test_messages_arrive_one_by_one(gateway: RunningGateway) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        GO_ON.clear()
        connection.request("GET", "/v1/count/3")
        answer = connection.getresponse()
        first = answer.read1()
        GO_ON.set()
        rest = answer.read()
    finally:
        GO_ON.set()
        connection.close()
    assert json.loads(first)["id"] == 0
    assert (first + rest).count(b'{"text":""') == 3


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "text"),
    [
        ("GET", "/v1/nowhere", None, 400, b'failed to transcode .proto file Unknown path "/v1/nowhere"'),
        ("DELETE", "/v1/hello/ann", None, 400, b'failed to transcode .proto file Unknown method "delete"'),
        (
            "POST",
            "/v1/hello",
            b'{"name":"ann}',
            400,
            b"decode json err: Expected value but found unexpected end of string at character 14",
        ),
        ("POST", "/v1/hello", b'{"name":1}', 400, b"failed to encode payload"),
        ("POST", "/v1/hello", b"1", 400, b"body must be a table"),
        ("OPTIONS", "/v1/hello", None, 200, b"OK"),
    ],
)
def test_what_is_no_call(
    gateway: RunningGateway, verb: str, path: str, body: bytes | None, status: int, text: bytes
) -> None:
    answer = ask(gateway, verb, path, body)
    assert (answer.status, answer.body) == (status, text)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_body_that_is_too_long(gateway: RunningGateway) -> None:
    answer = ask(gateway, "POST", "/v1/hello", b'{"name":"' + b"x" * (600 << 10) + b'"}')
    assert answer.status == 413


def test_a_body_of_half_the_limit(gateway: RunningGateway) -> None:
    name = "x" * (256 << 10)
    answer = ask(gateway, "POST", "/v1/hello", json.dumps({"name": name}).encode())
    assert answer.json()["text"] == f"hello {name}"


def test_a_service_that_does_not_answer(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("gone")
    (nobody,) = free_ports(1)
    (folder / "all.yaml").write_text(
        PLUGIN + speaking_grpc("gone", nobody) + ingress("gone", "/v1", "gone", ANNOTATIONS)
    )
    (folder / "shop.proto").write_text(PROTO)
    (folder / "places.proto").write_text(PLACES)
    with running_gateway(folder) as running:
        eventually(lambda: ask(running, "OPTIONS", "/v1/x").status == 200, seen=running.lines)
        answer = ask(running, "GET", "/v1/hello/ann")
        assert answer.status in (502, 503), answer
        assert answer.headers["grpc-status"] is None
        assert "message" in answer.json()


def test_a_changed_file_takes_effect(gateway: RunningGateway) -> None:
    proto = gateway.folder / "shop.proto"
    before = proto.read_text()
    try:
        proto.write_text(before.replace('"/v1/hello/{name}"\n      add', '"/v1/greet/{name}"\n      add'))
        eventually(lambda: ask(gateway, "GET", "/v1/greet/ann").status == 200, seen=gateway.lines)
        assert ask(gateway, "GET", "/v1/hello/ann").status == 400
        proto.write_text(before.replace("string name = 1;", "text name = 1;"))
        eventually(lambda: ask(gateway, "GET", "/v1/hello/ann").status == 503, seen=gateway.lines)
        line = 1 + PROTO.splitlines().index("  string name = 1;")
        eventually(
            lambda: any(f"shop.proto:{line}: there is no type text" in said for said in gateway.lines),
            seen=gateway.lines,
        )
    finally:
        proto.write_text(before)
    eventually(lambda: ask(gateway, "GET", "/v1/hello/ann").status == 200, seen=gateway.lines)
