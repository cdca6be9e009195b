"""The page of metrics that a real Kong 3.9.1 showed after recorded requests, and ours after the same."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import pytest

from crossfade_kube.meta import JsonObject
from tests.support.gateway import RunningGateway, eventually, running_gateway
from tests.support.ports import free_ports
from tests.support.serving import serving

TRUTH: Final = Path(__file__).parent / "kong-truth" / "data"
RECORDED: Final[JsonObject] = json.loads((TRUTH / "metrics-requests.json").read_text())
NAMESPACE: Final = "kt-prom"
# Kong's own memory has other parts than ours; what is ours Kong has not.
OTHERWISE: Final = re.compile(r"(# HELP |# TYPE )?(crossfade_|kong_memory_lua_shared_dict_(total_)?bytes\{)")

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(60)]


class Echo(BaseHTTPRequestHandler):
    """Answers with the status that a header asks for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.send_response(int(self.headers.get("X-Echo-Status", "200")))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
        pass


def service(name: str, port: int) -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {NAMESPACE}, annotations: {{konghq.com/retries: "0"}}}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: {NAMESPACE}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
---
"""


def ingress(name: str, service: str, plugin: str = "") -> str:
    return f"""\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: {NAMESPACE}, annotations: {{konghq.com/plugins: "{plugin}"}}}}
spec:
  ingressClassName: kong
  rules:
  - http:
      paths:
      - {{path: /{name}, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}
---
"""


def consumer(name: str, key: str) -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {{name: {name}, namespace: {NAMESPACE}, annotations: {{kubernetes.io/ingress.class: kong}}}}
username: {name}
credentials: [{name}-key]
---
apiVersion: v1
kind: Secret
metadata: {{name: {name}-key, namespace: {NAMESPACE}, labels: {{konghq.com/credential: key-auth}}}}
stringData: {{key: {key}}}
---
"""


def plugin(name: str, config: object) -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}, namespace: {NAMESPACE}}}
plugin: {name}
config: {json.dumps(config)}
---
"""


def manifests(config: JsonObject, echo: int, dead: int) -> str:
    everywhere = f"""\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: prometheus, labels: {{global: "true"}}, annotations: {{kubernetes.io/ingress.class: kong}}}}
plugin: prometheus
config: {json.dumps(config)}
---
"""
    return "".join(
        [
            service("echo", echo),
            service("dead", dead),
            ingress("plain", "echo"),
            ingress("key", "echo", "key-auth"),
            ingress("term", "echo", "request-termination"),
            ingress("dead", "dead"),
            consumer("alice", "alice-secret"),
            consumer("bob", "bob-secret"),
            plugin("key-auth", {}),
            plugin("request-termination", {"status_code": 418}),
            everywhere,
        ]
    )


@contextmanager
def asked_gateway(folder: Path, config: JsonObject, *options: str) -> Iterator[tuple[str, str, str]]:
    """After the recorded requests: the status listener's URL, and the addresses of echo and dead upstream."""
    dead, status = free_ports(2)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    folder.mkdir()
    (folder / "all.yaml").write_text(manifests(config, server.server_address[1], dead))
    settings = {"KONG_STATUS_LISTEN": f"127.0.0.1:{status}"}
    with serving(server), running_gateway(folder, *options, settings=settings) as gateway:
        send(gateway)
        yield f"http://127.0.0.1:{status}", f"127.0.0.1:{server.server_address[1]}", f"127.0.0.1:{dead}"


def send(gateway: RunningGateway) -> None:
    for one in RECORDED["requests"]:
        request = one["request"]
        text, times = request.get("body_repeat", ("", 0))
        for _ in range(one["times"]):
            asked = urllib.request.Request(
                f"http://127.0.0.1:{gateway.port}{request['path']}",
                headers=dict(request.get("headers", [])),
                data=(text * times).encode() or None,
                method=request.get("method", "GET"),
            )
            try:
                urllib.request.urlopen(asked, timeout=10).close()
            except urllib.error.HTTPError as error:
                error.close()


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.headers["Content-Type"] == "text/plain; charset=UTF-8"
        text: str = response.read().decode()
        return text


def page(url: str) -> list[str]:
    """As soon as all that was answered is counted: a stream ends behind its answer."""
    read_once: list[str] = []

    def is_whole() -> bool:
        read_once[:] = read(f"{url}/metrics").splitlines()
        told = [line for line in read_once if line.startswith("kong_http_requests_total")]
        return not told or sum(int(line.rpartition(" ")[2]) for line in told) == 11

    eventually(is_whole, seen=read_once)
    return read_once


def compared(lines: list[str]) -> list[str]:
    """Without what differs from run to run; of the buckets, which are there depends on the time, only the last."""
    text = "\n".join(line for line in lines if not OTHERWISE.match(line) and not re.search(r'le="\d', line))
    text = re.sub(r'node_id="[^"]*"', 'node_id="…"', text)
    text = re.sub(r'pid="[^"]*"', 'pid="…"', text)
    return text.splitlines()


@pytest.mark.parametrize("name", ["metrics-all.txt", "metrics-no-consumer.txt", "metrics-none.txt"])
def test_the_page_is_kongs(name: str, tmp_path: Path) -> None:
    with asked_gateway(tmp_path / "manifests", RECORDED["plugin_config"][name]) as (url, echo, dead):
        shown = page(url)
    truth = (TRUTH / name).read_text().replace("${ECHO_IP}:${ECHO_PORT}", echo).replace("${ECHO_IP}:${DEAD_PORT}", dead)
    for ours, kongs in zip(compared(shown), compared(truth.splitlines()), strict=True):
        assert re.fullmatch(re.escape(kongs).replace("<num>", r"\d+"), ours), (ours, kongs)


def test_buckets_have_kongs_bounds(tmp_path: Path) -> None:
    with asked_gateway(tmp_path / "manifests", RECORDED["plugin_config"]["metrics-all.txt"]) as (url, *_):
        shown = page(url)
    bounds = {line.rpartition(" ")[0] for line in (TRUTH / "metrics-all.txt").read_text().splitlines()}
    ours = [line.rpartition(" ")[0] for line in shown if "_latency_ms_bucket" in line]
    # The smallest may be missing there, where no request was so fast.
    assert {line for line in ours if line not in bounds and not re.search(r'le="(1|2|5|25)"', line)} == set()
    assert len(ours) > 50


def test_kong_2_1_counts_everything_and_has_its_own_names_too(tmp_path: Path) -> None:
    with asked_gateway(tmp_path / "manifests", {}, "--compat", "kong-2.1") as (url, *_):
        shown = page(url)
    assert 'kong_http_status{code="200",service="kt-prom.echo.80",route="kt-prom.plain.echo..80"} 4' in shown, shown
    latency = 'type="request",service="kt-prom.echo.80",route="kt-prom.plain.echo..80"'
    assert f"kong_latency_count{{{latency}}} 5" in shown
    assert f'kong_latency_bucket{{{latency},le="60000.0"}} 5' in shown
    assert any(line.startswith('kong_bandwidth{type="egress"') for line in shown)


def test_envoys_own_statistics_are_there_for_who_wants_all(tmp_path: Path) -> None:
    with asked_gateway(tmp_path / "manifests", {}) as (url, *_):
        assert "envoy_server_live" not in read(f"{url}/metrics")
        assert "envoy_server_live" in read(f"{url}/metrics?all")
        # Nothing of a mesh has been asked here.
        assert read(f"{url}/metrics?mesh").strip() == ""
