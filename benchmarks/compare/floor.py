"""The least that an Envoy takes to send what Kong sends: its own filters, and fixed copies of what the gateway adds."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from benchmarks.bare_envoy import cluster, envoy
from benchmarks.compare.contestants import Contestant, World, until_answered
from benchmarks.compare.crossfade import crossfade
from benchmarks.compare.envoys import native, native_listener
from benchmarks.compare.scenarios import GATEWAYS, Scenario
from tests.e2e.policy_module.harness import Answer, echo_upstream, fetch
from tests.support.ports import free_ports

from crossfade.envoy.telemetry.own_statistics import DEFERRED, kept_statistics
from crossfade.proxy.preload import preload

Json = dict[str, Any]
Pairs = Sequence[Sequence[str]]
SCENARIOS: Final = ("plain", "key-auth", "limit", "both", "429")
_SERVED: Final = {"429": "both"}
"""Whose answers tell what is added where the limit lets a request through."""


class Additions(NamedTuple):
    """`refused` is what the gateway tells who is over the limit, more than Envoy does; `body` what it says."""

    request: Pairs
    response: Pairs
    refused: Pairs = ()
    body: str = ""


@contextmanager
def floor(world: World) -> Iterator[Contestant]:
    folder = world.folder / "probe"
    folder.mkdir()
    with adding(world, additions(world._replace(folder=folder))) as contestant:
        yield contestant


@contextmanager
def adding(world: World, added: Mapping[str, Additions]) -> Iterator[Contestant]:
    """With the settings of our proxies: what they count, and what they are preloaded with."""
    ports = dict(zip(SCENARIOS, free_ports(len(SCENARIOS)), strict=True))
    listeners = [_adding(native_listener(world, GATEWAYS[name], port), added[name]) for name, port in ports.items()]
    upstream = cluster("up", "127.0.0.1", world.upstream)
    statistics = {"stats_config": {"stats_matcher": kept_statistics()}, "deferred_stat_options": DEFERRED}
    with envoy(world.folder / "floor", listeners, [upstream], environment=preload(os.environ), **statistics) as pid:
        yield Contestant((pid,), ports)


def additions(world: World) -> dict[str, Additions]:
    """By scenario: found out by asking both before an upstream that tells what it was sent."""
    with echo_upstream() as echo:
        asked = world._replace(upstream=echo)
        with crossfade(asked) as ours, native(asked) as theirs:
            until_answered(theirs.ports["plain"])
            return {name: _additions(name, ours.ports[name], theirs.ports) for name in SCENARIOS}


def _additions(name: str, our_port: int, their_ports: Mapping[str, int]) -> Additions:
    served = _SERVED.get(name, name)
    ours, theirs = _asked(our_port, GATEWAYS[served]), _asked(their_ports[served], GATEWAYS[served])
    request = _more(ours.upstream["headers"], theirs.upstream["headers"])
    response = _more(ours.headers, theirs.headers)
    if not GATEWAYS[name].refused:
        return Additions(request, response)
    told, plain = (_refused(port, GATEWAYS[name]) for port in (our_port, their_ports[name]))
    return Additions(request, response, _more(told.headers, plain.headers), told.body)


def _asked(port: int, scenario: Scenario) -> Answer:
    return fetch(port, scenario.path, headers=scenario.headers, host="gw.test")


def _refused(port: int, scenario: Scenario) -> Answer:
    # The first uses up what the limit lets through.
    return [_asked(port, scenario) for _ in range(2)][-1]


def _more(ours: Pairs, theirs: Pairs) -> Pairs:
    known = {name.lower() for name, _ in theirs}
    return [(name, value) for name, value in ours if name.lower() not in known]


def _adding(listener: Json, added: Additions) -> Json:
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"][-1]["typed_config"] |= {"dynamic_stats": False, "suppress_envoy_headers": True}
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        route["request_headers_to_add"] = _to_add(added.request)
        # Also to answers of Envoy's own.
        refuses = "typed_per_filter_config" in route
        route["response_headers_to_add"] = _to_add(added.refused if refuses else added.response)
    if added.body:
        manager["local_reply_config"] = {"mappers": [_saying(added.body)]}
    return listener


def _saying(text: str) -> Json:
    comparison = {"op": "EQ", "value": {"default_value": 429, "runtime_key": "none"}}
    body = {"text_format_source": {"inline_string": _literal(text)}, "content_type": "application/json; charset=utf-8"}
    return {"filter": {"status_code_filter": {"comparison": comparison}}, "body_format_override": body}


def _to_add(pairs: Pairs) -> list[Json]:
    # Appending is cheapest: to overwrite, Envoy would look for the header and index the whole map.
    appends = {"append_action": "APPEND_IF_EXISTS_OR_ADD"}
    return [{"header": {"key": name, "value": _literal(value)}, **appends} for name, value in pairs]


def _literal(text: str) -> str:
    return text.replace("%", "%%")
