"""Regular expressions, by RE2: the syntax of Go's, in time that grows with the text only."""

from collections.abc import Callable
from typing import Any, Final

from crossfade_local.apiserver.crd import patterns
from crossfade_local.apiserver.crd.cel_library.values import text


def _checked(pattern: Any) -> str:
    if problem := patterns.pattern_error(text(pattern)):
        raise ValueError(f"Illegal regex: {problem}")
    return str(pattern)


def _find(value: Any, pattern: Any) -> str:
    return next(patterns.found(_checked(pattern), text(value)), "")


def _find_all(value: Any, pattern: Any, limit: int = -1) -> list[str]:
    found = patterns.found(_checked(pattern), text(value))
    return [one for _, one in zip(range(limit), found, strict=False)] if limit >= 0 else list(found)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {"find": _find, "findAll": _find_all}
