"""Response bodies that plugins rewrite, in all the ways in which an upstream may send and a client may ask for them."""

import gzip
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.e2e.policy_module.harness import DEADLINE_S, Gateway, JsonObject, instance, route, tables

pytestmark = pytest.mark.envoy

EDITS: JsonObject = {
    "remove": {"json": ["secret"]},
    "add": {"json": ["added:1"], "json_types": ["number"]},
    "append": {"headers": ["X-Edited:yes"]},
}
SECRET = b'{"secret":"s3cret","kept":[1.50, 2]}'
EDITED = b'{"kept":[1.50, 2],"added":1}'
LIMIT = 8 * 1024 * 1024


def _head(*lines: str, content_type: str = "application/json") -> bytes:
    return "\r\n".join(("HTTP/1.1 200 OK", f"Content-Type: {content_type}", *lines, "", "")).encode()


def _sized(body: bytes, *lines: str, **options: str) -> list[bytes]:
    return [_head(f"Content-Length: {len(body)}", *lines, **options), body]


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _chunked(*chunks: bytes, trailers: bytes = b"") -> list[bytes]:
    return [_head("Transfer-Encoding: chunked"), *map(_chunk, chunks), b"0\r\n" + trailers + b"\r\n"]


def _large(size: int) -> bytes:
    return b'{"secret":1,"kept":"' + b"x" * (size - 22) + b'"}'


ANSWERS: dict[str, list[bytes]] = {
    "/sized": _sized(SECRET),
    "/chunked": _chunked(SECRET[:7], SECRET[7:20], SECRET[20:]),
    "/byte-by-byte": _chunked(*(SECRET[place : place + 1] for place in range(len(SECRET)))),
    "/large-trailers": _chunked(_large(2 << 20), trailers=b"X-Trailer: t\r\n"),
    "/trailers": _chunked(SECRET, trailers=b"X-Trailer: t\r\n"),
    "/only-trailers": _chunked(trailers=b"X-Trailer: t\r\n"),
    "/close": [_head("Connection: close"), SECRET],
    "/gzip": _sized(gzip.compress(SECRET), "Content-Encoding: gzip"),
    "/text": _sized(SECRET, content_type="text/plain"),
    "/empty": _sized(b""),
    "/empty-chunks": _chunked(),
    "/not-modified": [b"HTTP/1.1 304 Not Modified\r\nContent-Type: application/json\r\n\r\n"],
    "/2-mib": _sized(_large(2 << 20)),
    "/limit": _sized(_large(LIMIT)),
    "/too-large": _sized(_large(LIMIT + 1)),
    "/too-large-chunked": _chunked(*[b" " * (1 << 20)] * 8, SECRET),
    "/cut": [_head("Content-Length: 1000"), SECRET],
}


def _answer(connection: socket.socket) -> None:
    """One request, one answer."""
    with connection, suppress(ConnectionError):
        request = b""
        while b"\r\n\r\n" not in request:
            received = connection.recv(65536)
            if not received:
                return
            request += received
        method, path, _ = request.split(b" ", 2)
        parts = ANSWERS[path.decode()]
        for part in parts[:1] if method == b"HEAD" else parts:
            connection.sendall(part)


@contextmanager
def _upstream() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=_answer, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(DEADLINE_S)


class _WithTrailers(Gateway):
    """HTTP/1.1 trailers pass, which Envoy drops by default."""

    def _bootstrap(self) -> JsonObject:
        bootstrap = super()._bootstrap()
        resources = bootstrap["static_resources"]
        manager = resources["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        passes = {"enable_trailers": True}
        manager["http_protocol_options"] = {**manager["http_protocol_options"], **passes}
        for cluster in resources["clusters"]:
            cluster["typed_extension_protocol_options"] = {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http_protocol_options": passes},
                }
            }
        return bootstrap


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    edits = instance("response-transformer", EDITS)
    own = instance("response-transformer", {"add": {"json": ["added:1"]}}, identity="own")
    routes = [route("/", edits), route("/own", instance("key-auth"), own)]
    with _upstream() as port:
        gateway = _WithTrailers(tmp_path_factory.mktemp("envoy"), port, tables(routes))
        try:
            gateway.start()
            yield gateway
        finally:
            gateway.stop()


class Got:
    def __init__(self, gateway: Gateway, path: str, *options: str) -> None:
        command = [
            "curl",
            "--silent",
            "--include",
            "--max-time",
            "15",
            *options,
            f"http://127.0.0.1:{gateway.port}{path}",
        ]
        run = subprocess.run(command, capture_output=True, check=False)
        self.exit_code = run.returncode
        head, _, self.body = run.stdout.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        self.status = int(status.split()[1]) if status else 0
        self.headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            self.headers[name.lower()] = value


HTTP2 = "--http2-prior-knowledge"


@pytest.mark.parametrize("protocol", ["--http1.1", HTTP2])
@pytest.mark.parametrize("path", ["/sized", "/chunked", "/byte-by-byte", "/close"])
def test_bodies_are_edited_however_they_come(gateway: Gateway, path: str, protocol: str) -> None:
    got = Got(gateway, path, protocol)
    assert (got.exit_code, got.status, got.body) == (0, 200, EDITED)
    assert "content-length" not in got.headers
    assert got.headers["x-edited"] == "yes"


@pytest.mark.parametrize("protocol", ["--http1.1", HTTP2])
@pytest.mark.parametrize(("path", "body"), [("/trailers", EDITED), ("/only-trailers", b"")])
def test_trailers_follow_the_edited_body(gateway: Gateway, path: str, body: bytes, protocol: str) -> None:
    got = Got(gateway, path, protocol)
    assert (got.exit_code, got.status) == (0, 200)
    # curl shows trailers behind the body.
    assert got.body.replace(b"\r\n", b"\n").partition(b"x-trailer: t")[0].strip() == body
    assert b"x-trailer: t" in got.body


@pytest.mark.parametrize("protocol", ["--http1.1", HTTP2])
def test_trailers_follow_a_large_body(gateway: Gateway, protocol: str) -> None:
    got = Got(gateway, "/large-trailers", protocol)
    assert (got.exit_code, got.status) == (0, 200)
    assert b'{"kept":"' + b"x" * ((2 << 20) - 22) + b'","added":1}' in got.body
    assert b"x-trailer: t" in got.body


@pytest.mark.parametrize(
    ("path", "body", "length"),
    [
        ("/gzip", gzip.compress(SECRET, mtime=0)[10:], True),
        ("/text", SECRET, True),
        ("/empty", b"", True),
        ("/empty-chunks", b"", False),
    ],
)
def test_other_bodies_stay(gateway: Gateway, path: str, body: bytes, length: bool) -> None:
    got = Got(gateway, path)
    assert (got.exit_code, got.status) == (0, 200)
    assert got.body.endswith(body)
    assert ("content-length" in got.headers) is length


def test_nothing_is_waited_for_without_a_body(gateway: Gateway) -> None:
    for path in ("/sized", "/chunked"):
        for protocol in ("--http1.1", HTTP2):
            got = Got(gateway, path, "--head", protocol)
            assert (got.exit_code, got.status, got.body) == (0, 200, b"")
            assert "content-length" not in got.headers
    not_modified = Got(gateway, "/not-modified")
    assert (not_modified.exit_code, not_modified.status, not_modified.body) == (0, 304, b"")


@pytest.mark.parametrize("protocol", ["--http1.1", HTTP2])
def test_large_bodies_are_edited_up_to_the_limit(gateway: Gateway, protocol: str) -> None:
    for path, size in (("/2-mib", 2 << 20), ("/limit", LIMIT)):
        got = Got(gateway, path, protocol)
        assert (got.exit_code, got.status) == (0, 200)
        members: dict[str, Any] = json.loads(got.body)
        assert sorted(members) == ["added", "kept"]
        assert len(members["kept"]) == size - 22


@pytest.mark.parametrize("protocol", ["--http1.1", HTTP2])
@pytest.mark.parametrize("path", ["/too-large", "/too-large-chunked"])
def test_a_body_over_the_limit_is_not_shown(gateway: Gateway, path: str, protocol: str) -> None:
    got = Got(gateway, path, protocol)
    assert (got.exit_code, got.status) == (0, 500)
    assert json.loads(got.body)["message"] == "An unexpected error occurred"
    assert Got(gateway, "/sized", protocol).body == EDITED


def test_a_body_that_is_cut_off_is_not_shown(gateway: Gateway) -> None:
    got = Got(gateway, "/cut")
    assert b"s3cret" not in got.body
    assert got.status in (0, 502)


def test_the_gateways_own_answers_are_edited(gateway: Gateway) -> None:
    got = Got(gateway, "/own")
    assert (got.exit_code, got.status) == (0, 401)
    assert json.loads(got.body)["added"] == "1"
