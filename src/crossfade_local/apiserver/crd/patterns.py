"""Regular expressions of schemas, by RE2: the syntax of Go's, and time that grows with the text only."""

import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

# Of each pattern RE2 keeps what matching has found out about it, within its memory. Few need much.
_REMEMBERED: Final = 1_000
_MEMORY: Final = 256 * 1024
_LARGE_REMEMBERED: Final = 32
_MEMORY_OF_LARGE: Final = 8 * 1024 * 1024
_TOO_LARGE: Final = "pattern too large"
_COMPILING_S: Final = 0.5
# What RE2 and Go's package of the same syntax call the same fault.
_GO_TEXTS: Final = {
    "bad repetition operator": "invalid nested repetition operator",
    "invalid named capture group": "invalid named capture",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "invalid repetition size": "invalid repeat count",
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "pattern too large - compile failed": "expression too large",
    "trailing \\": "trailing backslash at end of expression",
}


def _compiled(pattern: str) -> Any:
    return _small(pattern) or _large(pattern)


@lru_cache(maxsize=_REMEMBERED)
def _small(pattern: str) -> Any:
    """None where it needs more memory."""
    try:
        return _compile(pattern, _MEMORY)
    except Exception as error:
        if _said(error).startswith(_TOO_LARGE):
            return None
        raise


@lru_cache(maxsize=_LARGE_REMEMBERED)
def _large(pattern: str) -> Any:
    return _compile(pattern, _MEMORY_OF_LARGE)


def _compile(pattern: str, memory: int) -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = memory
    return re2.compile(pattern, options)


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(said)


def pattern_error(pattern: str) -> str:
    """Why it cannot be compiled, in Go's words; empty if it can."""
    try:
        _compiled(pattern)
    except Exception as error:
        return _go_text(_said(error))
    return ""


class Compiling:
    """Of all patterns of one definition, for so long and no longer."""

    def __init__(self) -> None:
        self._left_s = _COMPILING_S

    def problem(self, pattern: str) -> str:
        """Why it is refused; empty if it is not."""
        if self._left_s < 0:
            return "takes too long to compile, with all other patterns of the definition: use fewer or shorter ones"
        began = time.thread_time()
        error = pattern_error(pattern)
        self._left_s -= time.thread_time() - began
        return error and f"must be a valid regular expression, but isn't: {error}"


def matches(pattern: str, value: str) -> bool:
    """Anywhere in the value. A pattern that was stored although it cannot be compiled matches nothing."""
    try:
        return _compiled(pattern).search(value) is not None
    except Exception:
        return False


def steps(pattern: str, value: str) -> int:
    """How many `matches` takes at most."""
    try:
        return int(_compiled(pattern).programsize) * len(value)
    except Exception:
        return 0


def found(pattern: str, value: str) -> Iterator[str]:
    """Each part of the value that a pattern matches, which can be compiled."""
    return (match[0] for match in _compiled(pattern).finditer(value))


def _go_text(said: str) -> str:
    fault, _, part = said.partition(": ")
    fault = _GO_TEXTS.get(fault, fault)
    return f"error parsing regexp: {fault}: `{part}`" if part else f"error parsing regexp: {fault}"
