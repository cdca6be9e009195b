"""What the policy module costs: Envoy CPU per request, plain proxying against key-auth with rate limiting.

    python -m benchmarks.gateway_policies [--rounds 4] [--seconds 3] [--connections 32]

Needs `wrk`. One Envoy (one worker) has two listeners, one plain and one with the policies of a Kong route; rounds of
both alternate, so that foreign load on the machine hits both. Ends by itself.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.policy_module.harness import (
    TYPE,
    Gateway,
    JsonObject,
    consumers_config,
    gateway_config,
    plugin,
    route,
)

TARGET_RATIO = 1.15
KEY = "bench-key"
UPSTREAM_BODY = "x" * 128


@dataclass(frozen=True)
class Round:
    requests: int
    seconds: float
    cpu_s: float

    @property
    def cpu_us(self) -> float:
        return self.cpu_s / self.requests * 1e6

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


class TwoListeners(Gateway):
    """The policies' listener as in the tests, and beside it a plain one to the same upstream."""

    def _bootstrap(self) -> JsonObject:
        bootstrap = super()._bootstrap()
        router = {
            "name": "router",
            "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.router.v3.Router"},
        }
        plain = {"match": {"prefix": "/"}, "route": {"cluster": "echo", "timeout": "0s"}}
        bootstrap["static_resources"]["listeners"].append(_listener("plain", [plain], [router]))
        return bootstrap

    def plain_port(self) -> int:
        return self._listener_port("plain")

    def _listener_port(self, name: str) -> int:
        text = self._admin("/listeners")
        found = re.search(rf"^{name}::127\.0\.0\.1:(\d+)$", text, re.MULTILINE)
        assert found, text
        return int(found[1])


def _listener(name: str, routes: list[JsonObject], filters: list[JsonObject]) -> JsonObject:
    manager: dict[str, Any] = {
        "@type": f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "generate_request_id": False,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": filters,
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }


class Upstream(Gateway):
    """An Envoy that answers at once; its CPU is not counted."""

    def _bootstrap(self) -> JsonObject:
        bootstrap = super()._bootstrap()
        answer = {
            "match": {"prefix": "/"},
            "direct_response": {"status": 200, "body": {"inline_string": UPSTREAM_BODY}},
        }
        router = {
            "name": "router",
            "typed_config": {"@type": f"{TYPE}envoy.extensions.filters.http.router.v3.Router"},
        }
        bootstrap["static_resources"]["listeners"] = [_listener("upstream", [answer], [router])]
        return bootstrap


@contextmanager
def started(gateway: Gateway) -> Iterator[Gateway]:
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(pid: int, port: int, *, seconds: int, connections: int) -> Round:
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-H",
        f"apikey: {KEY}",
        f"http://127.0.0.1:{port}/s/x",
    ]
    before, started_at = cpu_seconds(pid), time.monotonic()
    output = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
    elapsed, cpu = time.monotonic() - started_at, cpu_seconds(pid) - before
    if "Non-2xx" in output or "Socket errors" in output:
        raise RuntimeError(f"the load was not answered cleanly:\n{output}")
    found = re.search(r"(\d+) requests in", output)
    if found is None:
        raise RuntimeError(f"wrk told no number of requests:\n{output}")
    return Round(int(found[1]), elapsed, cpu)


def run(rounds: int, seconds: int, connections: int) -> dict[str, list[Round]]:
    limits = {"second": 1e9, "minute": 1e9, "hour": 1e9}
    consumer: JsonObject = {"id": "c-1", "username": "bench", "custom_id": None, "plugins": []}
    table = consumers_config([consumer], {KEY: 0})
    policies = gateway_config(
        {"path_prefix": "/s", "strip_path": True}, plugins=[plugin("key-auth"), plugin("rate-limiting", limits)]
    )
    results: dict[str, list[Round]] = {"plain": [], "policies": []}
    with tempfile.TemporaryDirectory() as directory:
        places = {name: Path(directory, name) for name in ("upstream", "gateway")}
        for place in places.values():
            place.mkdir()
        with (
            started(Upstream(places["upstream"], 1, [], table)) as upstream,
            started(
                TwoListeners(places["gateway"], upstream.port, [route({"prefix": "/"}, policies)], table)
            ) as gateway,
        ):
            assert isinstance(gateway, TwoListeners)
            assert gateway.process is not None
            ports = {"plain": gateway.plain_port(), "policies": gateway.port}
            for port in ports.values():
                request = urllib.request.Request(f"http://127.0.0.1:{port}/s/x", headers={"apikey": KEY})
                urllib.request.urlopen(request, timeout=5).close()
                measure(gateway.process.pid, port, seconds=1, connections=connections)
            for _ in range(rounds):
                for name, port in ports.items():
                    measured = measure(gateway.process.pid, port, seconds=seconds, connections=connections)
                    results[name].append(measured)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("wrk is not installed; install the Debian package wrk", file=sys.stderr)
        return 2
    results = run(options.rounds, options.seconds, options.connections)
    for name, measured in results.items():
        cpu = statistics.median(one.cpu_us for one in measured)
        rate = statistics.median(one.per_second for one in measured)
        print(f"{name:9} {cpu:7.1f} us CPU per request   {rate:8.0f} requests/s   (median of {len(measured)})")
    pairs = list(zip(results["plain"], results["policies"], strict=True))
    ratio = statistics.median(policies.cpu_us / plain.cpu_us for plain, policies in pairs)
    added = statistics.median(policies.cpu_us - plain.cpu_us for plain, policies in pairs)
    rate = statistics.median(policies.per_second / plain.per_second for plain, policies in pairs)
    print(
        f"policies / plain: CPU {ratio:.2f}x (+{added:.1f} us), requests/s {rate:.2f}x; target CPU <= {TARGET_RATIO}x"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
