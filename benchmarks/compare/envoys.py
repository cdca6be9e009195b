"""Envoy without Crossfade: bare, and with its own filters that do a scenario's work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from benchmarks.bare_envoy import TYPE, cluster, envoy, forward, listener
from benchmarks.compare.contestants import Contestant, World
from benchmarks.compare.scenarios import GATEWAYS, KEY, Over, Scenario
from tests.support.ports import free_ports

Json = dict[str, Any]
_PLENTY: Final = 1_000_000_000
_KEY_AUTH: Final = "envoy.filters.http.api_key_auth"
_LIMIT: Final = "envoy.filters.http.local_ratelimit"
BARE_DOES_NOT: Final = "it has neither keys nor limits"


@contextmanager
def bare(world: World) -> Iterator[Contestant]:
    """Router only, all defaults."""
    names = [name for name, scenario in GATEWAYS.items() if scenario.route == "plain"]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    listeners = [
        listener("127.0.0.1", port, [_stripping(GATEWAYS[name])], certificate=_certificate(world, GATEWAYS[name]))
        for name, port in ports.items()
    ]
    with envoy(world.folder / "envoy", listeners, [cluster("up", "127.0.0.1", world.upstream)]) as pid:
        yield Contestant((pid,), ports)


@contextmanager
def native(world: World) -> Iterator[Contestant]:
    """A listener for each scenario, so that none has filters that it does not need."""
    ports = dict(zip(GATEWAYS, free_ports(len(GATEWAYS)), strict=True))
    listeners = [native_listener(world, GATEWAYS[name], port) for name, port in ports.items()]
    with envoy(world.folder / "native", listeners, [cluster("up", "127.0.0.1", world.upstream)]) as pid:
        yield Contestant((pid,), ports)


def _certificate(world: World, scenario: Scenario) -> Any:
    return None if scenario.over is Over.HTTP else world.certificate


def _stripping(scenario: Scenario, route: str = "") -> Json:
    return forward("up", prefix=f"/{route or scenario.route}/", prefix_rewrite="/")


def native_listener(world: World, scenario: Scenario, port: int) -> Json:
    route = scenario.route
    filters: dict[str, Json] = {}
    if route in ("key", "both", "spent"):
        filters[_KEY_AUTH] = _key_auth()
    if route in ("limit", "both", "spent"):
        filters[_LIMIT] = _limit(_PLENTY, by_key=route != "limit")
    routes = [_stripping(scenario)]
    if route == "spent":
        routes = [
            {**_stripping(scenario), "typed_per_filter_config": {_LIMIT: _limit(1, by_key=True)}},
            _stripping(scenario, "both"),
        ]
    # As gateways do, it tells the upstream whom it serves.
    return listener(
        "127.0.0.1",
        port,
        routes,
        filters=filters.items(),
        certificate=_certificate(world, scenario),
        use_remote_address=True,
    )


def _key_auth() -> Json:
    known = [{"key": KEY, "client": "bench"}]
    return {
        "@type": f"{TYPE}.filters.http.api_key_auth.v3.ApiKeyAuth",
        "credentials": known,
        "key_sources": [{"header": "apikey"}],
    }


def _limit(requests: int, *, by_key: bool) -> Json:
    """For each client of its own, as the others: by key, or by address."""
    bucket = {"max_tokens": requests, "tokens_per_fill": requests, "fill_interval": "3600s"}
    whose: Mapping[str, Json] = (
        {"request_headers": {"header_name": "apikey", "descriptor_key": "client"}} if by_key else {"remote_address": {}}
    )
    always = {"default_value": {"numerator": 100}}
    return {
        "@type": f"{TYPE}.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": {**bucket, "max_tokens": _PLENTY, "tokens_per_fill": _PLENTY},
        "filter_enabled": always,
        "filter_enforced": always,
        "rate_limits": [{"actions": [whose]}],
        "descriptors": [
            {"entries": [{"key": "client" if by_key else "remote_address"}], "token_bucket": bucket},
        ],
    }
