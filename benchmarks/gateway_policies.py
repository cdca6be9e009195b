"""What the policy module costs: Envoy's CPU per request, plain proxying against a Kong route.

    python -m benchmarks.gateway_policies [--rounds 6] [--seconds 2] [--connections 32]

Needs `wrk`. Envoys with one worker have listeners with the same options and the same upstream: `plain` has the router
only, `gateway` the policy module and a route without plugins, `policies` one with key-auth and rate limiting. `native`
has no module: Envoy's route itself writes fixed copies of the headers that `policies` adds, found out by asking an
echo, and rewrites the path; it is what those headers cost in Envoy alone. `plain` and `native` are in an Envoy with its
defaults, the others in one with the settings of our proxies (statistics, huge pages), which has a `tuned` listener too:
`native` with these. Each round measures all of them one after another, in changing order, so that foreign load on the
machine hits all; the ratios are medians of those of the rounds.
Ends by itself within about a minute.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Upstream, missing_programs, requests_answered, started
from benchmarks.processes import cpu_seconds
from tests.e2e.policy_module.harness import (
    Gateway,
    JsonObject,
    consumer,
    echo_upstream,
    fetch,
    instance,
    route,
    tables,
)

from crossfade.envoy.telemetry.own_statistics import DEFERRED, kept_statistics
from crossfade.proxy.preload import preload

TARGET_RATIO = 1.15
LONGEST_S = 65
KEY = "bench-key"
# The same for all, but that the module has a route of its own for each of its listeners.
TARGETS = {"plain": "/s/x", "native": "/s/x", "tuned": "/s/x", "gateway": "/g/x", "policies": "/s/x"}
VARIANTS = ("plain", "native", "tuned", "gateway", "policies")
WITHOUT_MODULE = ("plain", "native", "tuned")
WITH_DEFAULTS = ("plain", "native")
COMPARISONS = (
    ("native", "plain"),
    ("tuned", "native"),
    ("gateway", "plain"),
    ("policies", "plain"),
    ("policies", "native"),
    ("policies", "tuned"),
)


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


@dataclass
class Listeners(Gateway):
    """The listener of the tests once for each variant, some without the module; else their options are the same."""

    variants: Mapping[str, list[JsonObject]] | None = None
    has_own_settings: bool = False
    """Those of our proxies, in place of Envoy's defaults."""

    def _bootstrap(self) -> JsonObject:
        bootstrap = super()._bootstrap()
        [original] = bootstrap["static_resources"]["listeners"]
        variants = (self.variants or {}).items()
        bootstrap["static_resources"]["listeners"] = [_variant(original, name, routes) for name, routes in variants]
        if self.has_own_settings:
            bootstrap["stats_config"] = {"stats_matcher": kept_statistics()}
            bootstrap["deferred_stat_options"] = DEFERRED
            for listener in bootstrap["static_resources"]["listeners"]:
                _router(listener)["dynamic_stats"] = False
        return bootstrap

    def _environment(self) -> dict[str, str] | None:
        return os.environ | preload(os.environ) if self.has_own_settings else None

    def ports(self) -> dict[str, int]:
        text = self._admin("/listeners")
        found = {name: int(port) for name, port in re.findall(r"^(\w+)::127\.0\.0\.1:(\d+)$", text, re.MULTILINE)}
        return {name: found[name] for name in self.variants or {}}


def _variant(original: JsonObject, name: str, routes: list[JsonObject]) -> JsonObject:
    listener = deepcopy(original) | {"name": name}
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["stat_prefix"] = name
    if name in WITHOUT_MODULE:
        manager["route_config"] = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]}
        del manager["early_header_mutation_extensions"]
        manager["http_filters"] = manager["http_filters"][-1:]
    return listener


def _router(listener: JsonObject) -> JsonObject:
    found: JsonObject = listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][-1]["typed_config"]
    return found


def measure(pid: int, port: int, target: str, *, seconds: int, connections: int) -> Round:
    before, started_at = cpu_seconds(pid), time.monotonic()
    url = f"http://127.0.0.1:{port}{target}"
    requests = requests_answered(url, [("apikey", KEY)], seconds=seconds, connections=connections)
    return Round(requests, time.monotonic() - started_at, cpu_seconds(pid) - before)


def module_tables() -> JsonObject:
    limits = {"second": 1e9, "minute": 1e9, "hour": 1e9}
    return tables(
        [
            route("/g", strip_path=True),
            route("/s", instance("key-auth"), instance("rate-limiting", limits), strip_path=True),
        ],
        [consumer("bench", KEY)],
    )


def variants() -> dict[str, list[JsonObject]]:
    """Envoy's own routes of those that have no module."""
    plain: JsonObject = {"match": {"prefix": "/"}, "route": {"cluster": "echo", "timeout": "0s"}}
    return {"plain": [plain], "gateway": [], "policies": []}


def native_route(directory: Path) -> JsonObject:
    """A route by which Envoy alone adds what `policies` was seen to add to one request and its response."""
    with (
        echo_upstream() as echo,
        started(Listeners(directory, echo, module_tables(), variants=variants())) as gateway,
    ):
        ports = gateway.ports()
        host = f"127.0.0.1:{ports['policies']}"
        plain, full = (
            fetch(ports[name], TARGETS[name], headers=[("apikey", KEY)], host=host) for name in ("plain", "policies")
        )
    return {
        "match": {"prefix": "/s/"},
        "route": {"cluster": "echo", "timeout": "0s", "prefix_rewrite": "/"},
        "request_headers_to_add": _additions(plain.upstream["headers"], full.upstream["headers"]),
        "response_headers_to_add": _additions(plain.headers, full.headers),
    }


def _additions(without: Iterable[Sequence[str]], having: Iterable[Sequence[str]]) -> list[JsonObject]:
    # Appending is cheapest: to overwrite, Envoy would look for the header and index the whole map.
    known = {name.lower() for name, _ in without}
    return [
        {"header": {"key": name, "value": value.replace("%", "%%")}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}
        for name, value in having
        if name.lower() not in known
    ]


def run(rounds: int, seconds: int, connections: int) -> dict[str, list[Round]]:
    results: dict[str, list[Round]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as directory:
        places = {name: Path(directory, name) for name in ("probe", "upstream", "defaults", "own")}
        for place in places.values():
            place.mkdir()
        native = native_route(places["probe"])
        own = {"tuned": [native], "gateway": [], "policies": []}
        defaults = {"plain": [variants()["plain"][0]], "native": [native]}
        with (
            started(Upstream(places["upstream"], 1, tables([]))) as upstream,
            started(Listeners(places["defaults"], upstream.port, module_tables(), variants=defaults)) as first,
            started(
                Listeners(places["own"], upstream.port, module_tables(), variants=own, has_own_settings=True)
            ) as second,
        ):
            found = {name: (envoy, port) for envoy in (first, second) for name, port in envoy.ports().items()}

            def measured(name: str, seconds: int) -> Round:
                envoy, port = found[name]
                assert envoy.process is not None
                return measure(envoy.process.pid, port, TARGETS[name], seconds=seconds, connections=connections)

            for name, (_, port) in found.items():
                address = f"http://127.0.0.1:{port}{TARGETS[name]}"
                urllib.request.urlopen(urllib.request.Request(address, headers={"apikey": KEY}), timeout=5).close()
                measured(name, 1)
            for number in range(rounds):
                turn = number % len(VARIANTS)
                for name in VARIANTS[turn:] + VARIANTS[:turn]:
                    results[name].append(measured(name, seconds))
    return results


def report(results: Mapping[str, list[Round]]) -> Iterator[str]:
    for name, measured in results.items():
        cpu = statistics.median(one.cpu_us for one in measured)
        rate = statistics.median(one.per_second for one in measured)
        yield f"{name:9} {cpu:7.1f} us CPU per request   {rate:8.0f} requests/s   (median of {len(measured)})"
    for name, base in COMPARISONS:
        pairs = list(zip(results[base], results[name], strict=True))
        ratios = sorted(other.cpu_us / one.cpu_us for one, other in pairs)
        added = statistics.median(other.cpu_us - one.cpu_us for one, other in pairs)
        spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
        yield f"{name} / {base}: CPU {statistics.median(ratios):.2f}x (rounds {spread}), {added:+.1f} us"
    yield f"target: policies / plain <= {TARGET_RATIO}x"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    if missing := missing_programs():
        print(missing, file=sys.stderr)
        return 2
    if options.rounds * options.seconds * len(VARIANTS) > LONGEST_S:
        print(f"{options.rounds} rounds take longer than {LONGEST_S} s; choose fewer or shorter ones", file=sys.stderr)
        return 2
    for line in report(run(options.rounds, options.seconds, options.connections)):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
