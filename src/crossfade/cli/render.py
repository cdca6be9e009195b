"""How the command line talks to people: colours only on a terminal, progress only where it can be seen."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Final, TextIO

CODES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
FRAME_S: Final = 0.1


def is_coloured(stream: TextIO) -> bool:
    """Follows NO_COLOR (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(text: str, style: str, stream: TextIO) -> str:
    return f"\x1b[{CODES[style]}m{text}\x1b[0m" if is_coloured(stream) else text


def indented(text: str, prefix: str = "    ") -> str:
    return "".join(f"{prefix}{line}\n" for line in text.splitlines())


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Shows on stderr that something is under way: a spinner on a terminal, else one line."""
    if not sys.stderr.isatty():
        print(f"{what} …", file=sys.stderr, flush=True)
        yield
        return
    done = threading.Event()
    spinner = threading.Thread(target=_spin, args=(what, done), daemon=True)
    spinner.start()
    try:
        yield
    finally:
        done.set()
        spinner.join()
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _spin(what: str, done: threading.Event) -> None:
    for frame in cycle("|/-\\"):
        print(f"\r{frame} {what} …", end="", file=sys.stderr, flush=True)
        if done.wait(FRAME_S):
            return
