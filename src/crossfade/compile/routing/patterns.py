"""Regular expressions that Envoy takes: RE2 syntax, and a program not longer than the bootstrap allows."""

from typing import Final

import re2

from crossfade.api.bounds import Misfit, encodable

MOST_INSTRUCTIONS: Final = 32_768
"""`re2.max_program_size.error_level` in every proxy's bootstrap."""
# Envoy compiles patterns as bytes: a character beyond ASCII is several of them, and no escape can stand for it.
_AS_ENVOY: Final = re2.Options()
_AS_ENVOY.encoding = re2.Options.Encoding.LATIN1
_AS_ENVOY.log_errors = False


def re2_pattern(pattern: str) -> str | Misfit:
    """Also refuses the empty one: Envoy has no such thing."""
    if not pattern:
        return Misfit("an empty text is not a regular expression")
    if isinstance(checked := encodable(pattern), Misfit):
        return checked
    try:
        size = re2.compile(pattern.encode(), options=_AS_ENVOY).programsize
    except re2.error as exc:
        return Misfit(f"{pattern!r} is not a regular expression in RE2 syntax: {_reason(exc)}")
    if size > MOST_INSTRUCTIONS:
        return Misfit(f"{pattern!r} becomes {size} instructions of RE2, the most is {MOST_INSTRUCTIONS}")
    return pattern


def re2_quoted(text: str) -> str:
    """As a pattern that matches the text only. Python's `re.escape` writes escapes that RE2 refuses."""
    return "".join(char if char.isalnum() or char == "_" or ord(char) > 127 else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return f"\\x{ord(char):02x}" if not char.isprintable() else "\\" + char


def _reason(exc: Exception) -> str:
    text = exc.args[0] if exc.args else ""
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
