"""A stub of AWS' HTTP API for functions, on loopback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.serving import serving


class Lambda:
    """Functions by name: each answers with a status, headers and a body."""

    def __init__(self, functions: dict[str, tuple[int, dict[str, str], Any]]) -> None:
        self.functions = functions
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True

    @property
    def port(self) -> int:
        return self.server.server_address[1]


def _handler(stub: Lambda) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One segment for head and body: two would wait for each other's acknowledgement.
        wbufsize = -1

        def do_POST(self) -> None:
            payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, payload))
            status, headers, answer = stub.functions[self.path.split("/")[3]]
            body = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    return Handler


@contextmanager
def running_lambda(functions: dict[str, tuple[int, dict[str, str], Any]]) -> Iterator[Lambda]:
    stub = Lambda(functions)
    with serving(stub.server):
        yield stub
