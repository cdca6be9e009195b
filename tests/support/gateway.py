"""Runs `crossfade gateway run` for tests, with an HTTP upstream that says its name."""

import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from tests.support.polling import eventually as eventually
from tests.support.ports import free_ports
from tests.support.serving import serving

START_WITHIN_S = 60.0
KEY = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: key}
plugin: key-auth
---
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {name: ann, annotations: {kubernetes.io/ingress.class: kong}}
username: ann
credentials: [ann-key]
---
apiVersion: v1
kind: Secret
metadata: {name: ann-key}
stringData: {kongCredType: key-auth, key: sesame}
---
"""
"""Plugin `key`, and who may pass it: ann, with `sesame`."""


class Answer(NamedTuple):
    status: int
    body: str
    headers: Mapping[str, str]


class RunningGateway:
    """`lines` is what it said on stderr so far. `settings` with KONG_PROXY_LISTEN say where it listens, not `port`."""

    def __init__(self, folder: Path, port: int, *options: str, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = port
        self.lines: list[str] = []
        given = {"KONG_NGINX_WORKER_PROCESSES": "1"} | dict(settings or {})
        command = [sys.executable, "-m", "crossfade.cli", "gateway", "run", "-f", str(folder)]
        self.process = subprocess.Popen(
            [*command, *(() if "KONG_PROXY_LISTEN" in given else ("--http-port", str(port))), *options],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env=os.environ | given,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_until_ready(self) -> None:
        eventually(lambda: any(line.endswith("ready") for line in self.lines), within_s=START_WITHIN_S, seen=self.lines)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.ask("GET", path, headers)

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, headers=dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return Answer(response.status, response.read().decode(), response.headers)
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode(), error.headers)

    def children(self) -> list[int]:
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def wait_for_end(self) -> int:
        code = self.process.wait(START_WITHIN_S)
        self._reader.join(START_WITHIN_S)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            for line in stderr:
                self.lines.append(line.rstrip("\n"))


@contextmanager
def running_gateway(folder: Path, *options: str, settings: Mapping[str, str] | None = None) -> Iterator[RunningGateway]:
    """`settings` are variables of its environment, by name."""
    (port,) = free_ports(1)
    gateway = RunningGateway(folder, port, *options, settings=settings)
    try:
        gateway.wait_until_ready()
        yield gateway
    finally:
        if gateway.process.poll() is None:
            gateway.process.terminate()
        gateway.wait_for_end()


@contextmanager
def upstream(name: str) -> Iterator[int]:
    """A server on loopback that answers every GET with its name; gives its port."""

    class Named(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # One segment for head and body: two would wait for each other's acknowledgement.
        wbufsize = -1

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(name)))
            self.end_headers()
            self.wfile.write(name.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Named)
    server.daemon_threads = True
    with serving(server):
        yield server.server_address[1]


def service(name: str, port: int) -> str:
    """Manifests of a Service with one endpoint on loopback."""
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
---
"""


def ingress(name: str, path: str, service_name: str, annotations: str = "") -> str:
    return f"""\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, annotations: {{{annotations}}}}}
spec:
  ingressClassName: kong
  rules:
  - http:
      paths:
      - {{path: {path}, pathType: Prefix, backend: {{service: {{name: {service_name}, port: {{number: 80}}}}}}}}
---
"""
