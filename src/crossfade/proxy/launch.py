"""Becomes the launcher, the program of `launcher/` that starts, watches and drains Envoy. Standard library only.

It waits as long as the pod lives, which Python would do in twenty times its memory.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from crossfade.built import launcher

_TAKEN: Final = frozenset(
    {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGHUP,
        signal.SIGCHLD,
    }
)
# A hundred years; the launcher takes 32 bits.
_LONGEST_S: Final = 3_155_760_000


class EndSettings(NamedTuple):
    """From SIGTERM on Envoy serves `least_s`, then until nobody comes any more, `drain_s` in all at most.

    `waits_for_app_s` is the pod's grace period where SIGTERM comes to all containers at once, else None."""

    admin_port: int
    stands_alone: bool
    least_s: int
    drain_s: int
    waits_for_app_s: int | None


class Plan(NamedTuple):
    """`command` starts Envoy, with `environment` beside ours; `files` as `WatchedFile.for_launcher` has them.

    The launcher removes folders and `pid_file` at its end.
    """

    command: list[str]
    environment: Mapping[str, str]
    logs_to_stdout: bool
    end: EndSettings
    files: tuple[tuple[str, str, str], ...]
    work_folder: Path
    state_folder: Path | None = None
    pid_file: Path | None = None


def launcher_arguments(plan: Plan) -> list[str]:
    end = plan.end
    waits = None if end.waits_for_app_s is None else _seconds(end.waits_for_app_s)
    options: tuple[tuple[str, str | Path | None], ...] = (
        ("--drain-least", _seconds(end.least_s)),
        ("--drain-longest", _seconds(end.drain_s)),
        ("--wait-for-app", waits),
        ("--work-folder", plan.work_folder),
        ("--state-folder", plan.state_folder),
        ("--pid-file", plan.pid_file),
        *(("--env", f"{name}={value}") for name, value in plan.environment.items()),
    )
    return [
        *("launch", "--admin-port", str(end.admin_port)),
        *(("--stands-alone",) if end.stands_alone else ()),
        *(("--logs-to-stdout",) if plan.logs_to_stdout else ()),
        *(word for name, value in options if value is not None for word in (name, str(value))),
        *(word for file in plan.files for word in ("--file", *file)),
        *("--", *plan.command),
    ]


def hold_signals() -> None:
    """From here on the launcher finds each of them: whoever hears of this process may send them at once."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)


def become_launcher(plan: Plan, lock: int) -> NoReturn:
    """`lock` is the open work folder, whose lock the launcher takes over. Raises OSError."""
    program = launcher()
    # Its standard input, since it needs none: it is the descriptor that Envoy does not get from it.
    os.dup2(lock, 0)
    # Python ignores it, and what is ignored would be so in Envoy too.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(program, [str(program), *launcher_arguments(plan)])  # noqa: S606 - no shell is wanted


def _seconds(value: int) -> str:
    return str(max(0, min(value, _LONGEST_S)))
