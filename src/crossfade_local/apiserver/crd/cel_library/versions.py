"""Semantic versions (semver.org 2.0)."""

import re
from collections.abc import Callable
from typing import Any, Final

from crossfade_local.apiserver.crd.cel_library.values import content_of, made, text

KIND: Final = "semver"
_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_PART: Final = rf"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_FORM: Final = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PART}(?:\.{_PART})*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)
_LONGEST: Final = 256


def _parsed(value: Any, normalize: Any = False) -> re.Match[str]:
    given = text(value)
    if normalize:
        given = _normalized(given)
    found = _FORM.fullmatch(given) if len(given) <= _LONGEST else None
    if found is None:
        raise ValueError("semver parse error: not a semantic version")
    return found


def _normalized(given: str) -> str:
    """Without a leading `v`, with all three numbers, and without zeros before them."""
    numbers, mark, rest = re.fullmatch(r"([^-+]*)([-+]?)(.*)", given.removeprefix("v"), re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [part.lstrip("0") or "0" if part.isdigit() else part for part in numbers.split(".")]
    return ".".join([*parts, "0", "0"][: max(3, len(parts))]) + mark + rest


def _is_version(value: Any, normalize: Any = False) -> bool:
    try:
        _parsed(value, normalize)
    except ValueError:
        return False
    return True


def _order(value: Any) -> tuple[Any, ...]:
    """Numbers, then what comes before a release: parts that are numbers before those that are not."""
    found = _parsed(content_of(KIND, value))
    before = found[4]
    parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in (before or "").split(".") if part)
    return (*(int(found[place]) for place in (1, 2, 3)), before is None, parts)


def compare(left: Any, right: Any) -> int:
    one, other = _order(left), _order(right)
    return (one > other) - (one < other)


def _number(place: int) -> Callable[[Any], int]:
    return lambda value: int(_parsed(content_of(KIND, value))[place])


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "semver": lambda value, *normalize: made(KIND, _parsed(value, *normalize)[0]),
    "isSemver": _is_version,
    "major": _number(1),
    "minor": _number(2),
    "patch": _number(3),
}
