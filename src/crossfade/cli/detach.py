"""Runs a command in the background: the caller returns once the command says it is ready, and nothing of the caller's
(terminal, pipes, locks) stays open in it.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_READY: Final = b"\0"
_FAILED: Final = b"\1"
_STDERR: Final = 2


def in_background(command: Callable[[Callable[[bool], None]], int], *, log: Path) -> int:
    """The command's exit code if it ends before it is ready, else 0. Its stderr is shown, then goes to `log`.

    Raises KeyboardInterrupt, with which the command ends too: while it is waited for, it is what Ctrl-C is meant for.
    """
    reading, writing = os.pipe()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_apart(command, writing, log)
    os.close(writing)
    try:
        settled = _relay(reading)
    except KeyboardInterrupt:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        raise
    if settled is not None:
        return 0 if settled else 1
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) or 1


def _relay(reading: int) -> bool | None:
    """Shows what the child says; tells whether it settled well, None when it ended before."""
    with os.fdopen(reading, "rb", buffering=0) as source:
        while data := source.read(65_536):
            end = data[-1:]
            os.write(_STDERR, data.rstrip(_READY + _FAILED))
            if end in (_READY, _FAILED):
                return end == _READY
    return None


def _run_apart(command: Callable[[Callable[[bool], None]], int], writing: int, log: Path) -> None:
    """In the child; never returns."""
    code = 1
    try:
        os.setsid()
        _let_go(keep=writing, log=log)

        def settled(ok: bool) -> None:
            os.write(_STDERR, _READY if ok else _FAILED)
            descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(descriptor, _STDERR)
            os.close(descriptor)

        code = command(settled)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _let_go(*, keep: int, log: Path) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(keep, _STDERR)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    log.touch(mode=0o600)
