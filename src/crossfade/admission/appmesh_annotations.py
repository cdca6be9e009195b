"""What admission refuses in annotations that ask more than App Mesh did; the compiler's own readers decide.

What an object said before is not read again: a new rule must not stop its owner from changing something else.
"""

from collections.abc import Mapping
from typing import Any, Final

from crossfade.admission.review import AdmissionRequest, Denied
from crossfade.compile.mesh.asks import Ask, NotUnderstood, values
from crossfade.compile.mesh.body_limits import MAX_REQUEST_BYTES
from crossfade.compile.mesh.choices import HEADER_CASE, ZONES, Choice
from crossfade.compile.mesh.egress import EGRESS_DOMAINS
from crossfade.compile.mesh.faults import FAULT, ROUTE_FAULTS
from crossfade.compile.mesh.rate_limits import RATE_LIMIT, ROUTE_RATE_LIMITS
from crossfade_kube.meta import JsonObject

_ASKS: Final[Mapping[str, tuple[Ask, ...]]] = {
    "VirtualNode": (RATE_LIMIT, MAX_REQUEST_BYTES, EGRESS_DOMAINS),
    "VirtualRouter": (ROUTE_FAULTS, ROUTE_RATE_LIMITS),
    "VirtualService": (FAULT,),
}
_CHOICES: Final[Mapping[str, tuple[Choice, ...]]] = {
    "Mesh": (HEADER_CASE, ZONES),
    "VirtualNode": (HEADER_CASE, ZONES),
}


def check_annotations(request: AdmissionRequest) -> None:
    """Raises Denied."""
    given, before = _annotations(request.object), _annotations(request.old_object)
    changed = {key: text for key, text in given.items() if before.get(key) != text}
    for ask in _ASKS.get(request.kind, ()):
        if ask.key in changed:
            _check(request.kind, ask, changed[ask.key])
    for choice in _CHOICES.get(request.kind, ()):
        if choice.key in changed and changed[choice.key] not in choice.values:
            problem, way_out = f"{_shown(changed[choice.key])} is not known", ", ".join(choice.values)
            raise Denied(f"{request.kind} metadata.annotations[{choice.key}]: {problem}: write one of {way_out}")


def _check(kind: str, ask: Ask, text: str) -> None:
    try:
        values(ask, text, ask.read)
    except NotUnderstood as problem:
        raise Denied(f"{kind} metadata.annotations[{ask.key}]: {problem}: write {ask.form}") from None


def _annotations(obj: JsonObject) -> dict[str, Any]:
    metadata: dict[str, Any] = obj.get("metadata") or {}
    return metadata.get("annotations") or {}


def _shown(text: str) -> str:
    return ascii(text[:80])
