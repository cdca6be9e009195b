"""The records that a real Kong 3.9.1 wrote of recorded requests, and ours of the same."""

import copy
import importlib.util
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

import pytest

from crossfade_kube.meta import JsonObject
from tests.support.gateway import RunningGateway, eventually, running_gateway
from tests.support.ports import free_ports

TRUTH: Final = Path(__file__).parent / "kong-truth"
RECORDED: Final[JsonObject] = json.loads((TRUTH / "data" / "log-records.json").read_text())
NAMESPACE: Final = "kt-log"
# No HTTP for Envoy, so that no filter sees it.
WITHOUT_RECORD: Final = {"malformed-400", "connection-closed"}
# Kong tries once more where a service closes.
OTHER_TRIES: Final = {"upstream-closes"}

pytestmark = [pytest.mark.envoy, pytest.mark.timeout(60)]


def _replay() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kong_truth_replay", TRUTH / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


replay: Final[Any] = _replay()


class Logging(NamedTuple):
    gateway: RunningGateway
    tls_port: int
    log: Path
    echo: Any
    dead: int


def service(name: str, port: int, annotations: str = "") -> str:
    return f"""\
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {NAMESPACE}, annotations: {{{annotations}}}}}
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


def ingress(name: str, plugins: str = "", backend: str = "echo", more: str = "", host: str = "") -> str:
    return f"""\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: {NAMESPACE}, annotations: {{konghq.com/plugins: "{plugins}"{more}}}}}
spec:
  ingressClassName: kong
  rules:
  - {f"host: {host}" if host else ""}
    http:
      paths:
      - {{path: /{name}, pathType: Prefix, backend: {{service: {{name: {backend}, port: {{number: 80}}}}}}}}
---
"""


def plugin(name: str, kind: str, config: object) -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {{name: {name}, namespace: {NAMESPACE}}}
plugin: {kind}
config: {json.dumps(config)}
---
"""


def secret(name: str, kind: str, data: dict[str, str]) -> str:
    return f"""\
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: {NAMESPACE}, labels: {{konghq.com/credential: {kind}}}}}
stringData: {json.dumps(data)}
---
"""


def consumer(name: str, credentials: str = "", custom_id: str = "") -> str:
    return f"""\
apiVersion: configuration.konghq.com/v1
kind: KongConsumer
metadata: {{name: {name}, namespace: {NAMESPACE}, annotations: {{kubernetes.io/ingress.class: kong}}}}
username: {name}
{f"custom_id: {custom_id}" if custom_id else ""}
credentials: [{credentials}]
---
"""


def manifests(log: Path, echo: int, dead: int) -> str:
    custom = {"route": "return nil", "my.nested": "return 42", "path": "return kong.request.get_path()"}
    transformer = {"add": {"headers": ["x-added:1"], "querystring": ["q2:2"]}, "remove": {"headers": ["x-gone"]}}
    return "".join(
        [
            service("echo", echo),
            service("dead", dead),
            service("slow", echo, 'konghq.com/read-timeout: "300", konghq.com/retries: "0"'),
            ingress("plain"),
            ingress("dead", backend="dead"),
            ingress("slow", backend="slow"),
            *(ingress(name, name) for name in ("key", "jwt", "anon", "term", "rl", "cid", "rt", "cust")),
            ingress("acl", "acl-key, acl"),
            ingress("strip", more=', konghq.com/strip-path: "true"'),
            ingress("tlsonly", more=", konghq.com/protocols: https"),
            ingress(
                "host",
                more=', konghq.com/preserve-host: "false", konghq.com/methods: GET, konghq.com/headers.x-v: "1,2"',
                host="one.test",
            ),
            plugin("key", "key-auth", {}),
            plugin("jwt", "jwt", {}),
            plugin("acl-key", "key-auth", {"key_names": ["apikey"]}),
            plugin("acl", "acl", {"allow": ["admins"]}),
            plugin("anon", "key-auth", {"anonymous": "anonymous"}),
            plugin("term", "request-termination", {"status_code": 418, "message": "teapot"}),
            plugin("rl", "rate-limiting", {"hour": 1, "policy": "local"}),
            plugin("cid", "correlation-id", {"header_name": "X-Corr", "generator": "uuid", "echo_downstream": True}),
            plugin("rt", "request-transformer", transformer),
            plugin("cust", "file-log", {"path": str(log), "custom_fields_by_lua": custom}),
            consumer("alice", "alice-key, alice-jwt, alice-group", "A-1"),
            consumer("bob", "bob-key"),
            consumer("anonymous"),
            secret("alice-key", "key-auth", {"key": "alice-secret"}),
            secret("alice-jwt", "jwt", {"key": "iss-a", "secret": "s3cret", "algorithm": "HS256"}),
            secret("alice-group", "acl", {"group": "admins"}),
            secret("bob-key", "key-auth", {"key": "bob-secret"}),
            f"""\
apiVersion: configuration.konghq.com/v1
kind: KongClusterPlugin
metadata: {{name: file-log, labels: {{global: "true"}}, annotations: {{kubernetes.io/ingress.class: kong}}}}
plugin: file-log
config: {{path: {json.dumps(str(log))}}}
""",
        ]
    )


@pytest.fixture(scope="module")
def logging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logging]:
    with logged(tmp_path_factory.mktemp("records")) as one:
        yield one


@contextmanager
def logged(folder: Path) -> Iterator[Logging]:
    plain, tls, dead = free_ports(3)
    log, echo = folder / "log.json", replay.Echo()
    (folder / "manifests").mkdir()
    (folder / "manifests" / "all.yaml").write_text(manifests(log, echo.port, dead))
    settings = {"KONG_PROXY_LISTEN": f"127.0.0.1:{plain}, 127.0.0.1:{tls} ssl http2"}
    with running_gateway(folder / "manifests", settings=settings) as gateway:
        gateway.port = plain
        yield Logging(gateway, tls, log, echo, dead)


def ask(logging: Logging, request: JsonObject) -> list[JsonObject]:
    """The records that the request leads to: one, but for nothing."""
    before = len(logging.log.read_bytes()) if logging.log.exists() else 0
    many = [[f"X-H-{number}", "v"] for number in range(1, request.get("many", 0) + 1)]
    replay.TLS["addr"] = ("127.0.0.1", logging.tls_port)
    replay.send(("127.0.0.1", logging.gateway.port), request | {"headers": [*request.get("headers", []), *many]})
    seen: list[bytes] = []

    def is_whole() -> bool:
        seen[:] = [logging.log.read_bytes()[before:]] if logging.log.exists() else []
        return bool(seen) and seen[0].endswith(b"\n")

    eventually(is_whole, seen=seen)
    return [json.loads(line) for line in seen[0].splitlines()]


def comparable(record: JsonObject, wanted: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Without what differs as the pages say: connection headers, their part of the size, cipher; and without what the
    recording's configuration has otherwise than the ingress controller: tags, the name of a route with a host."""
    ours, kongs = copy.deepcopy(record), copy.deepcopy(wanted)
    for one in (ours, kongs):
        for part in ("request", "response"):
            if isinstance(one[part]["headers"], dict):
                for name in ("connection", "date"):
                    one[part]["headers"].pop(name, None)
        one["request"].get("tls", {}).pop("cipher", None)
        for entity in ("route", "service", "consumer"):
            one.get(entity, {}).pop("tags", None)
        if "tls" in one["request"]:
            one["request"].pop("size")
        if "hosts" in one.get("route", {}):
            one["route"].pop("name")
    return ours, kongs


def redacted(value: Any) -> Any:
    """The record as Kong would have written it, had it known what is a key."""
    text = json.dumps(value)
    for key in ("alice-secret", "bob-secret", '"apikey": "nope"'):
        text = text.replace(key, '"apikey": "REDACTED"' if ":" in key else "REDACTED")
    return json.loads(text)


@pytest.mark.parametrize(
    "name", [case["name"] for case in RECORDED["cases"] if case["name"] not in WITHOUT_RECORD | OTHER_TRIES]
)
def test_the_record_is_kongs(logging: Logging, name: str) -> None:
    case = next(case for case in RECORDED["cases"] if case["name"] == name)
    (record,) = ask(logging, case["request"])
    ours, kongs = comparable(record, redacted(case["record"]))
    text = json.dumps(kongs).replace("${ECHO_IP}", "127.0.0.1")
    text = text.replace('"${ECHO_PORT}"', str(logging.echo.port)).replace('"${DEAD_PORT}"', str(logging.dead))
    matcher = replay.Matcher()
    assert matcher.value(json.loads(text), ours, time.time()) == []


def test_each_try_is_told(logging: Logging) -> None:
    (record,) = ask(logging, {"path": "/plain", "headers": [["X-Echo-Close", "1"]]})
    assert len(record["tries"]) == 6
    assert {(one["state"], one["code"], one["port"]) for one in record["tries"]} == {("failed", 502, logging.echo.port)}
    assert record["upstream_status"] == ", ".join(["502"] * 6)
