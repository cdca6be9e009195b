"""A real Envoy with the policy module, an echo upstream, and a plain HTTP client that sends exactly what it is told.

The module's tables come from files that Envoy watches, so a test can change them under traffic.
"""

import hashlib
import http.client
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from crossfade.envoy.binary import envoy_binary
from crossfade.policy_module.path import policy_library_path
from tests.support.serving import serving

JsonObject = dict[str, Any]
SALT = "0a0b"
TYPE = "type.googleapis.com/"
DEADLINE_S = 15.0
# What the module is told of its listener; the kernel picks the real port.
LISTENER_PORT = 8000


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def upstream(self) -> JsonObject:
        """The request as the echo upstream saw it."""
        echoed: JsonObject = json.loads(self.body)
        return echoed


def fetch(
    port: int,
    target: str,
    *,
    method: str = "GET",
    headers: Sequence[tuple[str, str]] = (),
    body: bytes | None = None,
    host: str = "gw.test",
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read().decode("latin-1"))
    finally:
        connection.close()


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.headers.get("x-echo-close"):
            self.close_connection = True
            return
        time.sleep(int(self.headers.get("x-echo-delay-ms", 0)) / 1000)
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": [[name.lower(), value] for name, value in self.headers.items()],
            "body": body.decode("latin-1"),
        }
        payload = json.dumps(seen).encode()
        self.send_response_only(int(self.headers.get("x-echo-status", 200)))
        for line in self.headers.get_all("x-echo-header", []):
            name, _, value = line.partition(": ")
            self.send_header(name, value)
        if not self.headers.get("x-echo-no-server"):
            self.send_header("Server", "echo")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            # Envoy has gone when it lost patience with a slow answer.
            with suppress(BrokenPipeError):
                self.wfile.write(payload)

    do_GET = do_POST = do_HEAD = do_OPTIONS = _answer  # noqa: N815  (the names that http.server looks up)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (inherited name)
        pass


@contextmanager
def echo_upstream() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    server.daemon_threads = True
    with serving(server):
        yield server.server_address[1]


def dead_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def instance(name: str, config: Mapping[str, Any] | None = None, *, identity: str = "") -> JsonObject:
    """An instance of a plugin; `identity` also names its counters."""
    return {"id": identity or f"{name}-1", "plugin": name, "config": dict(config or {})}


# As the control plane orders them; only the order matters.
ORDER = ("key-auth", "rate-limiting")


def route(path: str, *instances: JsonObject, cluster: str = "echo", action: str = "plain", **extra: Any) -> JsonObject:
    """A route for a plain prefix, and the plugin instances on it; longer prefixes come first."""
    steps = [
        {
            "order": ORDER.index(one["plugin"]) if one["plugin"] in ORDER else len(ORDER),
            "candidates": [{"instance": one["id"], "rank": 6, "scope": one["id"]}],
        }
        for one in instances
    ]
    paths = [{"rank": f"{999 - len(path):03}", "kind": "prefix", "text": path}]
    return {
        "id": path,
        "match": {"paths": paths, "schemes": ["http", "https"]},
        "service": {"id": "00000000-0000-4000-8000-000000000002", "path": "/"},
        "action": action,
        "backends": [{"cluster": cluster}],
        "steps": steps,
        "instances": list(instances),
        **extra,
    }


def consumer(name: str, *keys: str, expires_at: float | None = None, **extra: Any) -> JsonObject:
    """A consumer with API keys, all of which expire at the Unix time."""
    credentials = [
        {
            "id": str(uuid5(NAMESPACE_OID, key)),
            "index": hashlib.sha256(bytes.fromhex(SALT) + key.encode()).hexdigest(),
            "expires_at": expires_at,
        }
        for key in keys
    ]
    return {"id": f"c-{name}", "username": name, "credentials": {"key-auth": credentials}, **extra}


def tables(
    routes: Sequence[JsonObject],
    consumers: Sequence[JsonObject] = (),
    *,
    instances: Sequence[JsonObject] = (),
    **settings: Any,
) -> JsonObject:
    """The instances of the routes come along; `instances` are those that only consumers carry."""
    return {
        "settings": {"compat": "kong-3", "server_token": "kong/3.9.1", "salt": SALT, **settings},
        "routes": [{name: value for name, value in one.items() if name != "instances"} for one in routes],
        "instances": [*instances, *(each for one in routes for each in one["instances"])],
        "consumers": list(consumers),
    }


def _module() -> JsonObject:
    return {"module": {"local": {"filename": str(policy_library_path())}}, "do_not_close": True}


def _text(value: str) -> JsonObject:
    return {"@type": f"{TYPE}google.protobuf.StringValue", "value": value}


def _incoming() -> JsonObject:
    return {
        "@type": f"{TYPE}envoy.extensions.http.early_header_mutation.dynamic_modules.v3."
        "DynamicModuleEarlyHeaderMutation",
        "dynamic_module_config": _module(),
        "early_header_mutation_name": "incoming",
        "early_header_mutation_config": _text(json.dumps({"scheme": "http", "port": LISTENER_PORT})),
    }


def module_filter(name: str, config: JsonObject) -> JsonObject:
    return {
        "@type": f"{TYPE}envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        "dynamic_module_config": _module(),
        "filter_name": name,
        "filter_config": _text(json.dumps(config)),
    }


def _routes() -> JsonObject:
    """Envoy's own table: what routes of the module name as their `action`."""
    actions = {"plain": {}, "impatient": {"timeout": "0.2s"}}
    found = {name: {"action": _entry(name, {"route": _ROUTE | options})} for name, options in actions.items()}
    asks = {"@type": f"{TYPE}envoy.extensions.matching.http.dynamic_modules.v3.DynamicModuleDataInput"}
    chosen = {"name": "action", "typed_config": asks | {"dynamic_module_config": _module(), "input_name": "action"}}
    tree = {"input": chosen, "exact_match_map": {"map": found}}
    refused = {"action": _entry("none", {"direct_response": {"status": 503}})}
    specifier = {
        "@type": f"{TYPE}envoy.extensions.router.cluster_specifiers.dynamic_modules.v3.DynamicModuleClusterSpecifier",
        "dynamic_module_config": _module(),
        "specifier_name": "cluster",
    }
    return {
        "virtual_hosts": [
            {"name": "all", "domains": ["*"], "matcher": {"matcher_tree": tree, "on_no_match": refused}},
        ],
        "cluster_specifier_plugins": [{"extension": {"name": "cluster", "typed_config": specifier}}],
    }


_ROUTE: JsonObject = {"cluster_specifier_plugin": "cluster", "timeout": "0s"}


def _entry(name: str, route: JsonObject) -> JsonObject:
    config = {"@type": f"{TYPE}envoy.config.route.v3.Route", "match": {"prefix": "/"}, **route}
    return {"name": name, "typed_config": config}


PARTS = ("root", "shard")


@dataclass
class Gateway:
    """A running Envoy. `set_tables` returns when Envoy has taken the change over."""

    directory: Path
    echo_port: int
    tables: JsonObject
    concurrency: int = 1
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    admin_port: int = 0
    _log: Path = field(init=False)

    def __post_init__(self) -> None:
        self._log = self.directory / "envoy.log"

    def start(self) -> None:
        for name, content in _parts(self.tables):
            self._write(f"{name}.json", content)
        self._write("bootstrap.json", self._bootstrap())
        address_file = self.directory / "admin"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    str(envoy_binary()),
                    *("-c", str(self.directory / "bootstrap.json"), "--admin-address-path", str(address_file)),
                    *("--concurrency", str(self.concurrency), "--disable-hot-restart", "--log-level", "warning"),
                ],
                stdout=log,
                stderr=log,
                env=self._environment(),
            )
        self._wait(lambda: address_file.exists() and b":" in address_file.read_bytes())
        self.admin_port = int(address_file.read_text().rpartition(":")[2])
        self._wait(lambda: self._admin("/ready").strip() == "LIVE")
        listeners = json.loads(self._admin("/listeners?format=json"))["listener_statuses"]
        self.port = listeners[0]["local_address"]["socket_address"]["port_value"]

    def _environment(self) -> dict[str, str] | None:
        """None is our own."""
        return None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(DEADLINE_S)

    def set_tables(self, tables: JsonObject) -> None:
        counters = [f"extension_config_discovery.http_filter.{name}.config_reload" for name in PARTS]
        before = sum(map(self.stat, counters))
        for name, content in _parts(tables):
            self._write(f"{name}.json", content)
        self._wait(lambda: sum(map(self.stat, counters)) >= before + len(PARTS))

    def fetch(self, target: str, **options: Any) -> Answer:
        return fetch(self.port, target, **options)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def stat(self, suffix: str) -> int:
        lines = self._admin(f"/stats?filter={suffix.replace('.', '[.]')}$").splitlines()
        return sum(int(line.rpartition(": ")[2]) for line in lines)

    def _admin(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=DEADLINE_S) as answer:
            text: str = answer.read().decode()
            return text

    def _write(self, name: str, content: JsonObject) -> None:
        temporary = self.directory / f".{name}"
        temporary.write_text(json.dumps(content))
        temporary.replace(self.directory / name)

    def _wait(self, condition: Any) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            assert self.process is not None
            assert self.process.poll() is None, f"Envoy ended:\n{self.log()}"
            try:
                if condition():
                    return
            except OSError:
                pass
            assert time.monotonic() < deadline, f"Envoy did not get there:\n{self.log()}"
            time.sleep(0.01)

    def _watched(self, name: str) -> JsonObject:
        source = {"path": str(self.directory / name), "watched_directory": {"path": str(self.directory)}}
        return {"path_config_source": source, "resource_api_version": "V3"}

    def _bootstrap(self) -> JsonObject:
        return {
            "node": {"id": "test", "cluster": "test"},
            "admin": {"address": _address(0)},
            "static_resources": {
                "listeners": [{"name": "gateway", "address": _address(0), "filter_chains": [self._filter_chain()]}],
                "clusters": [
                    _cluster("echo", [self.echo_port]),
                    _cluster("dead", [dead_port()]),
                    _cluster("empty", []),
                ],
            },
            "layered_runtime": {"layers": [{"name": "static", "static_layer": {}}]},
        }

    def _filter_chain(self) -> JsonObject:
        manager = {
            "@type": f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "gateway",
            "route_config": _routes(),
            "http_filters": [
                *({"name": name, "disabled": True, "config_discovery": self._discovery(name)} for name in PARTS),
                {"name": "gateway", "typed_config": module_filter("gateway", {})},
                {
                    "name": "router",
                    "typed_config": {
                        "@type": f"{TYPE}envoy.extensions.filters.http.router.v3.Router",
                        "suppress_envoy_headers": True,
                    },
                },
            ],
            "early_header_mutation_extensions": [{"name": "incoming", "typed_config": _incoming()}],
            **HTTP_CONNECTION_MANAGER,
        }
        return {"filters": [{"name": "hcm", "typed_config": manager}]}

    def _discovery(self, name: str) -> JsonObject:
        return {
            "config_source": self._watched(f"{name}.json"),
            "type_urls": [f"{TYPE}envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter"],
        }


HTTP_CONNECTION_MANAGER: JsonObject = {
    "server_header_transformation": "PASS_THROUGH",
    "generate_request_id": False,
    "internal_address_config": {},
    "normalize_path": False,
    "merge_slashes": False,
    "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
    "http_protocol_options": {"accept_http_10": True},
    "upgrade_configs": [{"upgrade_type": "websocket"}],
}
"""What the policy module needs of the connection manager around it."""


def _parts(tables: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """The tables as one shard and their root, each as the content of the file that Envoy watches."""
    content = {name: value for name, value in tables.items() if name != "settings"}
    version = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    for name, config in (
        ("shard", {"shard": 0, "version": version, **content}),
        ("root", {"settings": tables["settings"], "shards": [version]}),
    ):
        resource = {
            "@type": f"{TYPE}envoy.config.core.v3.TypedExtensionConfig",
            "name": name,
            "typed_config": module_filter(name, config),
        }
        yield name, {"resources": [resource]}


def _address(port: int) -> JsonObject:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, ports: Sequence[int]) -> JsonObject:
    endpoints = [{"endpoint": {"address": _address(port)}} for port in ports]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    }


@contextmanager
def running(directory: Path, tables: JsonObject, *, concurrency: int = 1) -> Iterator[Gateway]:
    with echo_upstream() as echo_port:
        gateway = Gateway(directory, echo_port, tables, concurrency=concurrency)
        try:
            gateway.start()
            yield gateway
        finally:
            gateway.stop()
