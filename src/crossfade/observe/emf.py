"""What proxies have counted, as lines of CloudWatch's embedded metric format. Pure.

There is one for each route, each pair of virtual nodes and each reason of refusals.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from crossfade.observe.counts import FAILED
from crossfade.observe.scrape import Sampled
from crossfade.observe.traffic import Flow, Hop, hops_of, routes_of

NAMESPACE: Final = "Crossfade"
MOST_OWN_DIMENSIONS: Final = 27
"""Beside those of a line: a set has 30 at most."""
MOST_VALUES: Final = 100
"""Of one metric in one line."""
_LONGEST_DIMENSION: Final = 1024
_NONE: Final = "-"
_COUNT: Final = "Count"
_MILLISECONDS: Final = "Milliseconds"
_NO_ANSWER: Final = "none"
_OF_MESH: Final = "envoy.appmesh."
_OF_GATEWAY: Final = "kong."


class Emf(NamedTuple):
    """How lines are made. CloudWatch's agent needs a log group; `dimensions` stand in every set."""

    namespace: str = NAMESPACE
    log_group: str = ""
    dimensions: tuple[tuple[str, str], ...] = ()


Metrics = Mapping[str, tuple[str, "int | list[float]"]]
"""Unit and value by name."""


def emf_lines(sample: Sampled, emf: Emf, *, at_ms: int) -> Iterator[str]:
    """Of what had requests."""
    for key, flow in sorted(routes_of(sample.sum_of("gateway")).items()):
        names = {"Service": key.service, "Route": key.route}
        if flow.requests:
            yield _line(emf, at_ms, names, [["Service"], ["Service", "Route"]], _of_route(flow))
        for refusal, count in sorted(flow.refusals.items()):
            refused = {"Route": key.route, "Policy": refusal.policy, "Code": refusal.code}
            metrics = {f"{_OF_GATEWAY}DeniedCount": (_COUNT, count)}
            yield _line(emf, at_ms, refused, [["Route", "Policy"], ["Route", "Policy", "Code"]], metrics)
    hops = hops_of(sample.of("sidecar"))
    for hop, flow in sorted(hops.items()):
        if hop.source and flow.requests:
            names = {
                "VirtualNode": _node(hop.source, hop.source_namespace),
                "TargetVirtualService": hop.service,
                "TargetVirtualNode": _node(hop.target, hop.target_namespace),
            }
            sets = [["VirtualNode", "TargetVirtualService"], ["VirtualNode", "TargetVirtualNode"]]
            yield _line(emf, at_ms, names, sets, _of_hop(flow))
    for node, count in sorted(_asked(hops).items()):
        metrics = {f"{_OF_MESH}RequestCount": (_COUNT, count)}
        yield _line(emf, at_ms, {"VirtualNode": node}, [["VirtualNode"]], metrics)


def _asked(hops: Mapping[Hop, Flow]) -> dict[str, int]:
    """By virtual node what it was asked."""
    found: dict[str, int] = {}
    for hop, flow in hops.items():
        if hop.target and flow.requests:
            node = _node(hop.target, hop.target_namespace)
            found[node] = found.get(node, 0) + flow.requests
    return found


def _node(name: str, namespace: str) -> str:
    """App Mesh's own name for it, unless its author has chosen another."""
    return f"{name}_{namespace}" if name else ""


def _of_route(flow: Flow) -> Metrics:
    return {
        f"{_OF_GATEWAY}RequestCount": (_COUNT, flow.requests),
        **{f"{_OF_GATEWAY}HTTPCode_{name}_Count": (_COUNT, count) for name, count in _classes(flow)},
        **_failures(f"{_OF_GATEWAY}FailureCount", flow),
        **_times(f"{_OF_GATEWAY}Latency", flow),
    }


def _of_hop(flow: Flow) -> Metrics:
    return {
        f"{_OF_MESH}RequestCountPerTarget": (_COUNT, flow.requests),
        **{f"{_OF_MESH}HTTPCode_Target_{name}_Count": (_COUNT, count) for name, count in _classes(flow)},
        **_failures(f"{_OF_MESH}TargetFailureCount", flow),
        **_times(f"{_OF_MESH}TargetResponseTime", flow),
    }


def _classes(flow: Flow) -> list[tuple[str, int]]:
    return [(name.upper(), count) for name, count in sorted(flow.classes.items()) if name != _NO_ANSWER]


def _failures(name: str, flow: Flow) -> Metrics:
    """Those without an answer too; also where there were none, so that an alarm has data."""
    return {name: (_COUNT, sum(flow.classes[one] for one in FAILED))}


def _times(name: str, flow: Flow) -> Metrics:
    """As many values as there were requests, up to the format's bound: their percentiles are those of all."""
    count = min(MOST_VALUES, int(max(flow.buckets.values(), default=0)))
    values = [flow.quantile_ms((place + 0.5) / count) for place in range(count)]
    found = [round(value, 3) for value in values if value is not None]
    return {name: (_MILLISECONDS, found)} if found else {}


def _line(emf: Emf, at_ms: int, names: Mapping[str, str], sets: list[list[str]], metrics: Metrics) -> str:
    own = dict(emf.dimensions)
    told = {
        "Namespace": emf.namespace,
        "Dimensions": [[*own, *one] for one in sets],
        "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in metrics.items()],
    }
    head = {"Timestamp": at_ms, **({"LogGroupName": emf.log_group} if emf.log_group else {})}
    return json.dumps(
        {
            "_aws": {**head, "CloudWatchMetrics": [told]},
            **{name: _dimension(value) for name, value in (own | dict(names)).items()},
            **{name: value for name, (_, value) in metrics.items()},
        }
    )


def _dimension(text: str) -> str:
    """CloudWatch takes visible ASCII, something and not too much of it."""
    plain = "".join(char if char.isascii() and char.isprintable() else "?" for char in text).strip()
    return plain[:_LONGEST_DIMENSION] or _NONE
