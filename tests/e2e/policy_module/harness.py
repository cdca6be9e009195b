"""A real Envoy with the policy module, an echo upstream, and a plain HTTP client that sends exactly what it is told.

Routes and the consumer table come from files that Envoy watches, so a test can change them under traffic.
"""

import hashlib
import http.client
import json
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from crossfade.envoy.binary import envoy_binary
from crossfade.policy_module.path import policy_library_path

JsonObject = dict[str, Any]
SALT = "0a0b"
TYPE = "type.googleapis.com/"
DEADLINE_S = 15.0


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
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def dead_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def gateway_config(route: Mapping[str, Any] | None = None, **extra: Any) -> JsonObject:
    """A configuration of the filter `gateway` with a route that strips nothing."""
    return {
        "compat": "kong-3",
        "server_token": "kong/3.9.1",
        "table": "default",
        "trusted_ips": [],
        "route": {
            "id": "00000000-0000-4000-8000-000000000001",
            "service_id": "00000000-0000-4000-8000-000000000002",
            "path_prefix": "/",
            "path_regex": None,
            "strip_path": False,
            "service_path": "/",
        }
        | dict(route or {}),
        "answer": None,
        "plugins": [],
        "clock": None,
    } | extra


def plugin(name: str, config: Mapping[str, Any] | None = None, *, instance: str = "", rank: int = 6) -> JsonObject:
    candidate = {"id": instance or f"{name}-1", "consumer": None, "rank": rank, "config": dict(config or {})}
    return {"plugin": name, "configs": [candidate]}


def consumers_config(
    consumers: Sequence[JsonObject], keys: Mapping[str, int], *, expiry: Mapping[str, float] | None = None
) -> JsonObject:
    """A consumer table; `keys` maps a key to the place of its consumer, `expiry` a key to a Unix time in seconds."""
    credentials = [
        {
            "id": f"10000000-0000-4000-8000-{number:012d}",
            "consumer": consumer,
            "digest": hashlib.sha256(bytes.fromhex(SALT) + key.encode()).hexdigest(),
            "expires_at": (expiry or {}).get(key),
        }
        for number, (key, consumer) in enumerate(keys.items())
    ]
    return {"name": "default", "salt": SALT, "consumers": list(consumers), "credentials": {"key-auth": credentials}}


def _module() -> JsonObject:
    return {"module": {"local": {"filename": str(policy_library_path())}}, "do_not_close": True}


def _incoming() -> JsonObject:
    return {
        "@type": f"{TYPE}envoy.extensions.http.early_header_mutation.dynamic_modules.v3."
        "DynamicModuleEarlyHeaderMutation",
        "dynamic_module_config": _module(),
        "early_header_mutation_name": "incoming",
    }


def module_filter(name: str, config: JsonObject) -> JsonObject:
    return {
        "@type": f"{TYPE}envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
        "dynamic_module_config": _module(),
        "filter_name": name,
        "filter_config": {"@type": f"{TYPE}google.protobuf.StringValue", "value": json.dumps(config)},
    }


def route(match: JsonObject, config: JsonObject, cluster: str = "echo", **action: Any) -> JsonObject:
    policies = {
        "@type": f"{TYPE}envoy.extensions.filters.http.filter_chain.v3.FilterChainConfigPerRoute",
        "filter_chain": {"filters": [{"name": "gateway", "typed_config": module_filter("gateway", config)}]},
    }
    return {
        "match": match,
        "route": {"cluster": cluster, "timeout": "0s", **action},
        "typed_per_filter_config": {"policies": policies},
    }


@dataclass
class Gateway:
    """A running Envoy. `set_routes` and `set_consumers` return when Envoy has taken the change over."""

    directory: Path
    echo_port: int
    routes: list[JsonObject]
    consumers: JsonObject
    concurrency: int = 1
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    admin_port: int = 0
    _log: Path = field(init=False)

    def __post_init__(self) -> None:
        self._log = self.directory / "envoy.log"

    def start(self) -> None:
        self._write("routes.json", self._route_table(self.routes))
        self._write("consumers.json", self._consumer_table(self.consumers))
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
            )
        self._wait(lambda: address_file.exists() and b":" in address_file.read_bytes())
        self.admin_port = int(address_file.read_text().rpartition(":")[2])
        self._wait(lambda: self._admin("/ready").strip() == "LIVE")
        listeners = json.loads(self._admin("/listeners?format=json"))["listener_statuses"]
        self.port = listeners[0]["local_address"]["socket_address"]["port_value"]

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(DEADLINE_S)

    def set_routes(self, routes: list[JsonObject]) -> None:
        self._replace("routes.json", self._route_table(routes), "rds.gateway.update_success")

    def set_consumers(self, consumers: JsonObject) -> None:
        counter = "extension_config_discovery.http_filter.consumers.config_reload"
        self._replace("consumers.json", self._consumer_table(consumers), counter)

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

    def _replace(self, name: str, content: JsonObject, counter: str) -> None:
        before = self.stat(counter)
        self._write(name, content)
        self._wait(lambda: self.stat(counter) > before)

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

    def _route_table(self, routes: list[JsonObject]) -> JsonObject:
        resource = {
            "@type": f"{TYPE}envoy.config.route.v3.RouteConfiguration",
            "name": "gateway",
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}],
        }
        return {"resources": [resource]}

    def _consumer_table(self, consumers: JsonObject) -> JsonObject:
        resource = {
            "@type": f"{TYPE}envoy.config.core.v3.TypedExtensionConfig",
            "name": "consumers",
            "typed_config": module_filter("consumers", consumers),
        }
        return {"resources": [resource]}

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

    def static_bootstrap(self, routes: list[JsonObject]) -> JsonObject:
        """The same with the routes in it, for `--mode validate`, which fetches nothing."""
        bootstrap = self._bootstrap()
        manager = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        del manager["rds"]
        manager["route_config"] = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}
        manager["http_filters"] = manager["http_filters"][1:]
        return bootstrap

    def _filter_chain(self) -> JsonObject:
        discovery = {
            "config_source": self._watched("consumers.json"),
            "type_urls": [f"{TYPE}envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter"],
        }
        manager = {
            "@type": f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "gateway",
            "rds": {"route_config_name": "gateway", "config_source": self._watched("routes.json")},
            "http_filters": [
                {"name": "consumers", "disabled": True, "config_discovery": discovery},
                {
                    "name": "policies",
                    "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.filter_chain.v3.FilterChainConfig"},
                },
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
def running(
    directory: Path, routes: list[JsonObject], consumers: JsonObject | None = None, *, concurrency: int = 1
) -> Iterator[Gateway]:
    with echo_upstream() as echo_port:
        table = consumers or consumers_config([], {})
        gateway = Gateway(directory, echo_port, routes, table, concurrency=concurrency)
        try:
            gateway.start()
            yield gateway
        finally:
            gateway.stop()
