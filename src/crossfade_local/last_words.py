"""Why a process ended, from the log that it wrote to."""

import os
from pathlib import Path
from typing import Final

_TAIL: Final = 8192
_LONGEST: Final = 500
# Of a traceback what is not text: carets below its lines, and the frames of exceptions in groups.
_BLANK: Final = frozenset(" \t^~|+-")


def log_end(log: Path) -> int:
    """Where what is written next begins."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def last_words(log: Path, *, since: int) -> str:
    """The last line written after `since` (of a traceback: the error itself); empty when there is none."""
    try:
        with log.open("rb") as source:
            end = source.seek(0, os.SEEK_END)
            # Another file by now: it was too long.
            begin = since if since <= end else 0
            source.seek(max(begin, end - _TAIL))
            text = source.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [line.lstrip(" \t|").rstrip() for line in text.splitlines() if not set(line) <= _BLANK]
    return lines[-1][:_LONGEST] if lines else ""
