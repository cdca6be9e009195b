"""What authors are told of certificates in the course of time."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import structs

from crossfade.compile.mesh import ObjectState
from crossfade.compile.mesh.acm import UsedCertificate
from crossfade_kube.meta import ObjectRef

SOON: Final = timedelta(days=7)
REASON: Final = "CertificateEnds"


def with_ages(
    states: Mapping[ObjectRef, ObjectState], certificates: Iterable[UsedCertificate], now: datetime
) -> Mapping[ObjectRef, ObjectState]:
    """`states` with a note at those whose certificates have ended, end soon or have not begun."""
    texts: dict[ObjectRef, list[str]] = {}
    for one in certificates:
        if text := _text(one, now):
            texts.setdefault(one.owner, []).append(text)
    if not texts:
        return states
    return {**states, **{ref: _noted(states[ref], told) for ref, told in texts.items() if ref in states}}


def _text(one: UsedCertificate, now: datetime) -> str:
    """The same as long as nothing has changed but the time of day."""
    if now >= one.ends_at:
        return f"{one.name} ended on {one.ends_at:%Y-%m-%d}; peers that check it refuse it: renew it"
    if now < one.begins_at:
        return f"{one.name} counts from {one.begins_at:%Y-%m-%d %H:%M} UTC on; peers that check it refuse it until then"
    if now >= one.ends_at - SOON:
        return f"{one.name} ends on {one.ends_at:%Y-%m-%d}: renew it before"
    return ""


def _noted(state: ObjectState, texts: list[str]) -> ObjectState:
    notes = [state.note, *texts] if state.note else texts
    return structs.replace(state, note=" | ".join(notes), note_reason=state.note_reason if state.note else REASON)
