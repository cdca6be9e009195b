"""Values of annotations that ask more than App Mesh did, one a line: `name: value`, or `value` for all.

Admission refuses what cannot be read; what got past it is told in the object's condition and has no effect.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from msgspec import Struct

from crossfade.api.appmesh import VirtualNode, VirtualRouter, VirtualService
from crossfade.api.bounds import Bounds, Misfit
from crossfade.compile.diagnostics import Diagnostics
from crossfade_kube.registry import typed_ref

T = TypeVar("T")

ALL: Final = ""
"""The name that stands for all."""
# More routes or listeners no object can have in the size that an API server stores.
_MOST_LINES: Final = 2000
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h)", re.ASCII)
_PERCENT: Final = re.compile(r"([0-9]{1,9})%", re.ASCII)


class NotUnderstood(Exception):  # noqa: N818 - says what the value is, not that the program failed
    """The text says why."""


class Ask(Struct, frozen=True):
    """`read` raises NotUnderstood; `form` is what to write. With `takes_names` a line can be for one name only.

    With `is_one` lines mean nothing, and the whole text is one value.
    """

    key: str
    form: str
    read: Callable[[str], object]
    takes_names: bool = False
    is_one: bool = False


def values(ask: Ask, text: str, read: Callable[[str], T]) -> dict[str, T]:
    """By name; raises NotUnderstood for the first line that cannot be kept."""
    if ask.is_one:
        return {ALL: read(text)}
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise NotUnderstood("the value is empty")
    if len(lines) > _MOST_LINES:
        raise NotUnderstood(f"there are more than {_MOST_LINES} lines")
    found: dict[str, T] = {}
    for line in lines:
        name, value = _named(line) if ask.takes_names else (ALL, line)
        if name in found:
            raise NotUnderstood(f"{name[:80]!a} has two lines" if name else "two lines are for all")
        found[name] = read(value)
    return found


def _named(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(": ")
    return (name.strip(), value.strip()) if colon else (ALL, line)


def asked(
    owner: VirtualNode | VirtualRouter | VirtualService, ask: Ask, read: Callable[[str], T], diagnostics: Diagnostics
) -> Mapping[str, T]:
    """Nothing where the annotation is missing or cannot be kept; then its author is told."""
    text = owner.metadata.annotations.get(ask.key)
    if text is None:
        return {}
    try:
        return values(ask, text, read)
    except NotUnderstood as problem:
        tell(owner, ask, str(problem), diagnostics)
        return {}


def tell(owner: VirtualNode | VirtualRouter | VirtualService, ask: Ask, problem: str, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        typed_ref(owner),
        "annotation.refused",
        problem,
        effect="it has no effect",
        hint=f"write {ask.form}",
        field=f"metadata.annotations[{ask.key}]",
    )


# --- parts of values -------------------------------------------------------------------------------------------


def seconds(text: str, least_s: float, most_s: float) -> float:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise NotUnderstood(f"{text[:80]!a} is no duration like 500ms, 2s, 10m, 1h")
    value = int(found[1]) * _SECONDS[found[2]]
    if not least_s <= value <= most_s:
        raise NotUnderstood(f"{text} is not between {shown_s(least_s)} and {shown_s(most_s)}")
    return round(value, 3)


def shown_s(value: float) -> str:
    return f"{value:g}s" if value >= 1 else f"{value * 1000:g}ms"


def percent(text: str, most: int) -> int:
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise NotUnderstood(f"{text[:80]!a} is no whole percentage like 10%")
    return whole(found[1], Bounds(1, most, "%"))


def whole(text: str, bounds: Bounds) -> int:
    found = bounds.parse(text)
    if isinstance(found, Misfit):
        raise NotUnderstood(found.problem)
    return found
