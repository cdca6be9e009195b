"""Faults that callers' sidecars inject on the way to a virtual service, for a time that is said beforehand.

`delay 2s 10%, abort 503 5%, from 2026-11-28T18:00:00Z for 15m`. A fault is a lease: sidecars keep it no longer than the
control plane renews it (`envoy/faults`), so it also ends where that has died. `stop 30%` is at which share of failing
requests it ends early.
"""

import re
from datetime import datetime
from typing import Any, Final

from msgspec import structs

from crossfade.api.appmesh import VirtualRouter, VirtualService
from crossfade.api.bounds import Bounds
from crossfade.compile.mesh.asks import Ask, NotUnderstood, percent, seconds, whole
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Fault
from crossfade_kube.registry import typed_ref

_MOST_DELAY_S: Final = 60.0
_MOST_TIME_S: Final = 3600.0
# Who wants all requests to fail can take the service away; a fault leaves at least every second one.
_MOST_PERCENT: Final = 50
_STATUS: Final = Bounds(400, 599, is_amount=False)
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_WORDS: Final = {"delay": 3, "abort": 3, "stop": 2, "from": 4}
_FORM: Final = "`delay 2s 10%, abort 503 5%, from 2026-11-28T18:00:00Z for 15m`"


def read_fault(text: str) -> Fault:
    """Without name and origin; raises NotUnderstood."""
    found: dict[str, Any] = {}
    for part in text.split(","):
        words = part.split()
        kind = words[0] if words else ""
        if kind not in _WORDS or len(words) != _WORDS[kind]:
            raise NotUnderstood(f"{part.strip()[:80]!a} is no part of a fault")
        if kind in found:
            raise NotUnderstood(f"there are two parts that begin with {kind}")
        found[kind] = _READ[kind](words)
    if "from" not in found:
        raise NotUnderstood("it does not say when the fault begins and how long it lasts")
    if not found.keys() & {"delay", "abort"}:
        raise NotUnderstood("there is neither a delay nor an abort")
    return Fault(**{name: value for part in found.values() for name, value in part.items()})


def _delay(words: list[str]) -> dict[str, int]:
    return {
        "delay_ms": round(seconds(words[1], 0.001, _MOST_DELAY_S) * 1000),
        "delay_percent": percent(words[2], _MOST_PERCENT),
    }


def _abort(words: list[str]) -> dict[str, int]:
    return {"abort_status": whole(words[1], _STATUS), "abort_percent": percent(words[2], _MOST_PERCENT)}


def _stop(words: list[str]) -> dict[str, int]:
    return {"stop_percent": percent(words[1], 100)}


def _time(words: list[str]) -> dict[str, int]:
    if words[2] != "for":
        raise NotUnderstood(f"{words[2][:80]!a} stands where `for` is expected")
    start_s = _timestamp(words[1])
    return {"start_s": start_s, "end_s": start_s + round(seconds(words[3], 1, _MOST_TIME_S))}


def _timestamp(text: str) -> int:
    """RFC 3339 in whole seconds."""
    try:
        if _TIME.fullmatch(text) and (found := int(datetime.fromisoformat(text).timestamp())) > 0:
            return found
    except (ValueError, OverflowError):
        pass
    raise NotUnderstood(f"{text[:80]!a} is no time like 2026-11-28T18:00:00Z")


_READ: Final = {"delay": _delay, "abort": _abort, "stop": _stop, "from": _time}

FAULT: Final = Ask("crossfade.dev/fault", _FORM, read_fault)
"""On a VirtualService, for all of its routes."""
ROUTE_FAULTS: Final = Ask(
    "crossfade.dev/route-faults", f"lines `route: fault` with a fault like {_FORM}", read_fault, takes_names=True
)
"""On a VirtualRouter, by route."""


def named(fault: Fault, owner: VirtualService | VirtualRouter, route: str = "") -> Fault:
    """`name` is unique in the cluster, and of characters that every message can hold."""
    ref, key = typed_ref(owner), FAULT.key if isinstance(owner, VirtualService) else ROUTE_FAULTS.key
    name = "/".join(("fault", ref.kind, ref.namespace, ref.name, ascii(route)[1:-1])).rstrip("/")
    return structs.replace(fault, name=name, origin=Origin(ref, f"metadata.annotations[{key}]"))
