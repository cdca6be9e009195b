"""What is said of an upstream → how requests are spread over its endpoints (kong.md §3.7)."""

import re
from typing import Final

from msgspec import Struct

from crossfade.api.bounds import Bounds, Misfit, encodable, header_name
from crossfade.compile.gateway.healthchecks import HealthPlan, ProbeTarget, health_plan
from crossfade.compile.gateway.upstream_sources import Sources
from crossfade.compile.model import Algorithm, Balancing
from crossfade.compile.routing.tables import Hashing, HashInput, StickyCookie

SLOTS: Final = Bounds(10, 65_536)
_DEFAULT_SLOTS: Final = 10_000
_HASHING: Final = "consistent-hashing"
_STICKY: Final = "sticky-sessions"
_ALGORITHMS: Final = {
    "round-robin": Algorithm.ROUND_ROBIN,
    "least-connections": Algorithm.LEAST_REQUEST,
    # Kong weighs the times of two endpoints drawn at random; a slow one has more requests open.
    "latency": Algorithm.BETTER_OF_TWO,
    _HASHING: Algorithm.RING_HASH,
    _STICKY: Algorithm.ROUND_ROBIN,
}
_PLAIN_INPUTS: Final = ("consumer", "ip", "path")
_NAMED_INPUTS: Final = ("header", "cookie", "query_arg", "uri_capture")
_ROUND_ROBIN: Final = "requests are balanced round-robin"
_NO_FALLBACK: Final = "requests without the first input go to any endpoint"
_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_COOKIE_PATH: Final = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")


class UpstreamPlan(Struct, frozen=True):
    """Everything about a Service's upstream but its endpoints."""

    balancing: Balancing = Balancing()
    health: HealthPlan = HealthPlan()
    hashing: Hashing | None = None
    sticky: StickyCookie | None = None


def upstream_plan(sources: Sources | None, target: ProbeTarget) -> UpstreamPlan:
    """`target` is what probes must know of the Service."""
    if sources is None:
        return UpstreamPlan()
    algorithm = _algorithm(sources)
    hashing = _hashing(sources) if algorithm == _HASHING else None
    if algorithm == _HASHING and hashing is None:
        algorithm = "round-robin"
    health = health_plan(sources, target)
    slots = sources.number("slots", sources.get("slots"), SLOTS, _DEFAULT_SLOTS)
    return UpstreamPlan(
        balancing=Balancing(
            _ALGORITHMS[algorithm],
            slots if algorithm == _HASHING else None,
            _threshold(sources, is_ring=algorithm == _HASHING) if health.is_watched else None,
        ),
        health=health,
        hashing=hashing,
        sticky=_sticky(sources) if algorithm == _STICKY else None,
    )


def _algorithm(sources: Sources) -> str:
    """An input to hash makes it consistent hashing, whatever else is said."""
    given: str = sources.get("algorithm") or "round-robin"
    if given not in _ALGORITHMS:
        known = ", ".join(_ALGORITHMS)
        sources.refuse("algorithm", "there is no such algorithm", effect=_ROUND_ROBIN, hint=f"use one of {known}")
        given = "round-robin"
    if given == _STICKY:
        return given
    return given if sources.get("hash_on") in (None, "none") else _HASHING


def _hashing(sources: Sources) -> Hashing | None:
    kind: str | None = sources.get("hash_on")
    if kind in (None, "none"):
        sources.warn("algorithm", "nothing is named to hash", effect=_ROUND_ROBIN, hint="say what is hashed")
        return None
    first = _input(sources, "hash_on", kind, effect=_ROUND_ROBIN)
    if first is None:
        return None
    fallback = _fallback(sources, first)
    return Hashing((first,) if fallback is None else (first, fallback), _cookie_path(sources))


def _fallback(sources: Sources, first: HashInput) -> HashInput | None:
    kind: str | None = sources.get("hash_fallback")
    if kind in (None, "none"):
        return None
    if first.kind == "cookie":
        text = "a cookie that is missing is set, so nothing is left for a fallback"
        sources.refuse("hash_fallback", text, effect="the field has no effect", hint="remove the field")
        return None
    fallback = _input(sources, "hash_fallback", kind, effect=_NO_FALLBACK)
    if fallback == first:
        sources.refuse("hash_fallback", "is the first input again", effect=_NO_FALLBACK, hint="name another input")
        return None
    return fallback


def _input(sources: Sources, field: str, kind: str | None, *, effect: str) -> HashInput | None:
    if kind in _PLAIN_INPUTS:
        return HashInput(kind)
    if kind not in _NAMED_INPUTS:
        known = ", ".join((*_PLAIN_INPUTS, *_NAMED_INPUTS))
        sources.refuse(field, "there is no such input", effect=effect, hint=f"use one of {known}")
        return None
    name_field = "hash_on_cookie" if kind == "cookie" else f"{field}_{kind}"
    name: str | None = sources.get(name_field)
    problem = _name_problem(kind, name)
    if name is None or problem is not None:
        place = field if name is None else name_field
        sources.refuse(
            place, f"{kind}: {problem}", effect=effect, hint=f"give the name of the {kind.replace('_', ' ')}"
        )
        return None
    return HashInput(kind, name.lower() if kind == "header" else name)


def _name_problem(kind: str, name: str | None) -> str | None:
    if not name:
        return "its name is missing"
    if kind == "header":
        checked = header_name(name)
        return str(checked) if isinstance(checked, Misfit) else None
    if kind == "cookie":
        return None if _COOKIE_NAME.fullmatch(name) else "is not the name of a cookie"
    checked = encodable(name)
    return str(checked) if isinstance(checked, Misfit) else None


def _cookie_path(sources: Sources) -> str:
    return _path_or_root(sources, "hash_on_cookie_path", sources.get("hash_on_cookie_path"))


def _path_or_root(sources: Sources, field: str, path: str | None) -> str:
    if path is None or _COOKIE_PATH.fullmatch(path):
        return "/" if path is None else path
    problem = "is not the path of a cookie"
    sources.refuse(field, problem, effect="the cookie has the path /", hint="begin it with a slash, without semicolons")
    return "/"


def _sticky(sources: Sources) -> StickyCookie | None:
    given = sources.sticky()
    if given is None:
        sources.warn("algorithm", "stickySessions is missing", effect=_ROUND_ROBIN, hint="name the cookie there")
        return None
    if not _COOKIE_NAME.fullmatch(given.cookie):
        text = "is not the name of a cookie"
        sources.refuse("stickySessions.cookie", text, effect=_ROUND_ROBIN, hint="give the name of a cookie")
        return None
    return StickyCookie(given.cookie, _path_or_root(sources, "stickySessions.cookiePath", given.cookie_path))


def _threshold(sources: Sources, *, is_ring: bool) -> int:
    """Envoy knows whole percents."""
    threshold = sources.healthchecks().threshold or 0
    if not 0 <= threshold <= 100:
        sources.refuse("healthchecks.threshold", "is no percentage", hint="give a number from 0 to 100")
        return 0
    if threshold and is_ring:
        sources.warn(
            "healthchecks.threshold",
            "is not heeded with consistent hashing",
            effect="requests fail only where no endpoint is healthy",
            hint="remove the field, or use another algorithm",
        )
        return 0
    return round(threshold)
