"""HTTP servers on loopback whose answers a test can change, and manifests of a Service in front of several."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.serving import serving


class Upstream:
    """Answers with its name and `statuses` of the path, by default 200; waits while `gate` is closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.statuses: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True

    @property
    def port(self) -> int:
        return self.server.server_address[1]


def _handler(upstream: Upstream) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One segment for head and body: two would wait for each other's acknowledgement.
        wbufsize = -1

        def do_GET(self) -> None:
            upstream.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            if self.path.startswith("/wait"):
                upstream.gate.wait(30)
            body = upstream.name.encode()
            self.send_response(upstream.statuses.get(self.path, 200))
            for name, value in upstream.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - the name that the base class looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    return Handler


@contextmanager
def upstreams(*names: str) -> Iterator[list[Upstream]]:
    made = [Upstream(name) for name in names]
    with ExitStack() as stack:
        for one in made:
            stack.enter_context(serving(one.server))
            stack.callback(one.gate.set)
        yield made


def service_of(name: str, ports: list[int], annotations: str = "") -> str:
    """Manifests of a Service whose endpoints are these ports of loopback."""
    slices = "".join(
        f"""\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{port}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
---
"""
        for port in ports
    )
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
{slices}"""
