"""How an upstream balances and checks its targets → a KongUpstreamPolicy (kong.md §1.7, §3.7)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from crossfade.migrate.deck.output import Output, annotate
from crossfade.migrate.deck.tree import Node
from crossfade_kube.meta import JsonObject

_VERSION: Final = "configuration.konghq.com/v1beta1"
_DEFAULT_SLOTS: Final = 10000
_INPUTS: Final = frozenset({"ip", "consumer", "path"})
_HASHES: Final[Mapping[str, str]] = {"header": "header", "query_arg": "queryArg", "uri_capture": "uriCapture"}
_COUNTERS: Final = ("tcp_failures", "timeouts", "http_failures")


def upstream_policy(upstream: Node, service_name: str, service: JsonObject, output: Output) -> None:
    """None where all is as Kong has it by default."""
    spec = _spec(upstream.fields)
    if spec:
        name = output.name_for("KongUpstreamPolicy", service_name)
        output.add(upstream, _VERSION, "KongUpstreamPolicy", name, {"spec": spec})
        annotate(service, "konghq.com/upstream-policy", name)


def _spec(fields: JsonObject) -> JsonObject:
    spec: JsonObject = {}
    algorithm = fields.get("algorithm") or "round-robin"
    hashes = str(fields.get("hash_on") or "none")
    if hashes != "none":
        algorithm = "consistent-hashing" if algorithm == "round-robin" else algorithm
        spec["hashOn"] = _hash(fields, "hash_on", hashes)
        fallback = str(fields.get("hash_fallback") or "none")
        if fallback != "none":
            spec["hashOnFallback"] = _hash(fields, "hash_fallback", fallback)
    if algorithm != "round-robin":
        spec["algorithm"] = algorithm
    if fields.get("slots") not in (None, _DEFAULT_SLOTS):
        spec["slots"] = fields["slots"]
    checks = fields.get("healthchecks")
    if isinstance(checks, dict) and _is_on(checks):
        spec["healthchecks"] = _camel(checks)
    return spec


def _hash(fields: JsonObject, prefix: str, kind: str) -> JsonObject:
    if kind in _INPUTS:
        return {"input": kind}
    if kind == "cookie":
        return {"cookie": fields.get("hash_on_cookie"), "cookiePath": fields.get("hash_on_cookie_path") or "/"}
    return {_HASHES.get(kind, kind): fields.get(f"{prefix}_{kind}")}


def _is_on(checks: JsonObject) -> bool:
    """Probes have an interval, the circuit breaker counts something."""
    return any(_numbers(checks)) or bool(checks.get("threshold"))


def _numbers(checks: JsonObject) -> Iterator[Any]:
    for way, names in (("active", ("interval",)), ("passive", _COUNTERS)):
        section = _section(checks, way)
        for side in ("healthy", "unhealthy"):
            yield from (_section(section, side).get(name) for name in names)


def _section(value: JsonObject, name: str) -> JsonObject:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel_name(str(name)): _camel(inner) for name, inner in value.items() if inner is not None}
    return value


def _camel_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
