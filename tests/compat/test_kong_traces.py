"""The spans that a real Kong 3.9.1 sent of recorded requests, and what its service got of headers; and ours."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from crossfade_kube.meta import JsonObject
from tests.compat.test_kong_metrics import consumer, ingress, plugin, service
from tests.support.gateway import RunningGateway, eventually, running_gateway
from tests.support.otlp import otlp_spans
from tests.support.ports import free_ports
from tests.support.serving import serving

RECORDED: Final[JsonObject] = json.loads((Path(__file__).parent / "kong-truth" / "data" / "traces.json").read_text())
NAMESPACE: Final = "kt-obs"
TRACE_HEADERS: Final = re.compile(r"x-b3-.*|b3|traceparent|tracestate|uber-trace-id|ot-tracer-.*")
# Spans that are not made here: of the router and of single plugins.
LEFT_OUT: Final = re.compile(r"kong\.(router|access|header_filter).*")
# What stands in a recording for something else.
PLACEHOLDER: Final = {"<num>": r"\d+", "<uuid>": r"[0-9a-f-]{36}", "<rid>": r"[0-9a-f]{32}"}

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(60)]


class Servers(NamedTuple):
    """`asked` are the headers of each request at the service, `posts` path and body of each batch of spans."""

    echo: int
    sink: int
    asked: list[dict[str, list[str]]]
    posts: list[tuple[str, dict[str, str], bytes]]


@contextmanager
def servers() -> Iterator[Servers]:
    asked: list[dict[str, list[str]]] = []
    posts: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            names = {name.lower() for name in self.headers}
            asked.append({name: self.headers.get_all(name) or [] for name in names if TRACE_HEADERS.fullmatch(name)})
            self.answer()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            posts.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.answer()

        def answer(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    echo, sink = (ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2))
    with serving(echo), serving(sink):
        yield Servers(echo.server_address[1], sink.server_address[1], asked, posts)


def manifests(name: str, config: JsonObject, echo: int, dead: int) -> str:
    everywhere = f"""\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: {name}, labels: {{global: "true"}}, annotations: {{kubernetes.io/ingress.class: kong}}}}
plugin: {name}
config: {json.dumps(config)}
---
"""
    routes = (ingress("plain", "echo"), ingress("key", "echo", "key-auth"), ingress("dead", "dead"))
    parts = [service("echo", echo), service("dead", dead), *routes]
    parts += [consumer("alice", "alice-secret"), plugin("key-auth", {}), everywhere]
    return "".join(parts).replace("kt-prom", NAMESPACE).replace('retries: "0"', 'retries: "1"')


class Tracing(NamedTuple):
    gateway: RunningGateway
    servers: Servers
    cases: list[JsonObject]
    ports: dict[str, str]


@pytest.fixture(scope="module", params=["opentelemetry", "zipkin"])
def tracing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracing]:
    name = request.param
    recorded: JsonObject = RECORDED[name]
    (dead,) = free_ports(1)
    folder = tmp_path_factory.mktemp(name)
    with servers() as found:
        config = json.loads(json.dumps(recorded["plugin"]).replace("${HTTP_SINK_PORT}", str(found.sink)))
        (folder / "all.yaml").write_text(manifests(name, config, found.echo, dead))
        with running_gateway(folder) as gateway:
            ports = {"${ECHO_PORT}": str(found.echo), "${DEAD_PORT}": str(dead)}
            yield Tracing(gateway, found, recorded["cases"], ports)


def spans_of(posts: list[tuple[str, dict[str, str], bytes]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for path, headers, body in posts:
        if path == "/v1/traces":
            assert headers["content-type"] == "application/x-protobuf"
            found += [_plain(span) for span in otlp_spans(body)]
        else:
            assert (path, headers["content-type"]) == ("/api/v2/spans", "application/json")
            found += json.loads(body)
    return found


def _plain(span: dict[str, Any]) -> dict[str, Any]:
    return {name: span[name] for name in ("traceId", "id", "parentId", "name", "kind", "tags", "status", "resource")}


def expected_of(posts: list[JsonObject]) -> list[dict[str, Any]]:
    """As `spans_of`, in the recording's placeholders."""
    found: list[dict[str, Any]] = []
    for post in posts:
        if isinstance(post["body"], list):
            found += post["body"]
            continue
        for of_resource in post["body"]["resource_spans"]:
            resource = _attributes(of_resource["resource"]["attributes"])
            for scope in of_resource["scope_spans"]:
                found += [_of_otlp(span, resource) for span in scope["spans"]]
    return [_adapted(span) for span in found if not LEFT_OUT.fullmatch(span["name"])]


def _of_otlp(span: JsonObject, resource: dict[str, Any]) -> dict[str, Any]:
    tags = _attributes(span.get("attributes", []))
    tags.pop("http.route", None)
    return {
        "traceId": span["trace_id"],
        "id": span["span_id"],
        "parentId": span["parent_span_id"],
        "name": span["name"],
        "kind": {2: "SERVER", 3: "CLIENT"}[span["kind"]] if span["kind"] != 1 else "INTERNAL",
        "tags": tags,
        "status": span.get("status", {}).get("code", 0),
        "resource": resource,
    }


def _attributes(entries: list[JsonObject]) -> dict[str, Any]:
    return {entry["key"]: next(iter(entry["value"].values())) for entry in entries}


def _adapted(span: dict[str, Any]) -> dict[str, Any]:
    """Kong tells the port of a service that it did not turn to."""
    remote = span.get("remoteEndpoint")
    if isinstance(remote, dict) and "ipv4" not in remote:
        return {**span, "remoteEndpoint": {"serviceName": remote["serviceName"]}}
    return span


class Match:
    """Compares with a recording; what its placeholders stand for is the same wherever they stand."""

    def __init__(self, ports: dict[str, str]) -> None:
        self.known: dict[str, str] = dict(ports)

    def differences(self, expected: Any, got: Any, where: str = "") -> list[str]:
        if isinstance(expected, dict) and isinstance(got, dict):
            missing = [f"{where}.{name}: {expected.get(name)!r} != {got.get(name)!r}" for name in expected.keys() ^ got]
            both = [(name, expected[name], got[name]) for name in sorted(expected.keys() & got.keys())]
            parts = [self.differences(one, other, f"{where}.{name}") for name, one, other in both]
            return [*missing, *(text for part in parts for text in part)]
        if isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
            pairs = zip(_in_order(expected), _in_order(got), strict=True)
            parts = [self.differences(one, other, f"{where}[{place}]") for place, (one, other) in enumerate(pairs)]
            return [text for part in parts for text in part]
        return [] if self._is_same(expected, got) else [f"{where}: {expected!r} != {got!r}"]

    def _is_same(self, expected: Any, got: Any) -> bool:
        if not isinstance(expected, str):
            return bool(expected == got)
        text = f"{got:g}" if isinstance(got, float) else str(got)
        parts = re.split(r"(<id:\d+>|<\w+>|\$\{\w+\})", expected)
        pattern = "".join(self._pattern(part) for part in parts)
        found = re.fullmatch(pattern, text)
        if found is None:
            return False
        self.known |= {f"<id:{name[2:]}>": value for name, value in found.groupdict().items()}
        return True

    def _pattern(self, part: str) -> str:
        if part in self.known:
            return re.escape(self.known[part])
        if part.startswith("<id:"):
            return f"(?P<id{part[4:-1]}>[0-9a-f]+)"
        return PLACEHOLDER.get(part, re.escape(part))


def _in_order(items: list[Any]) -> list[Any]:
    return sorted(items, key=lambda item: str(item.get("name") or item.get("value")) if isinstance(item, dict) else "")


NAMES: Final = [case["note"] for case in RECORDED["zipkin"]["cases"]]


@pytest.mark.parametrize("place", range(len(NAMES)), ids=NAMES)
def test_spans_and_headers_are_kongs(tracing: Tracing, place: int) -> None:
    case = tracing.cases[place]
    before, asked = len(tracing.servers.posts), len(tracing.servers.asked)
    tracing.gateway.get(case["request"]["path"], {"Host": "gw.test", **dict(case["request"].get("headers", []))})
    expected = expected_of(case["posts"])
    seen: list[dict[str, Any]] = []

    def are_here() -> bool:
        seen[:] = spans_of(tracing.servers.posts[before:])
        return len(seen) >= len(expected)

    eventually(are_here, seen=seen)
    match = Match(tracing.ports)
    told = tracing.servers.asked[asked] if len(tracing.servers.asked) > asked else {}
    assert match.differences(expected, seen) == []
    assert match.differences(case["upstream_trace_headers"], told) == []
