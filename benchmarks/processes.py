"""What running processes have used, and that nothing a benchmark starts outlives it."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

# Of prctl(2).
_SET_CHILD_SUBREAPER: Final = 36
_GRACE_S: Final = 30.0
_INNER: Final = "CROSSFADE_BENCHMARK_INNER"


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, to the nanosecond (the clock ticks of `stat` are 10 ms)."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def cpu_seconds_of_all(pids: Iterable[int]) -> float:
    return sum(map(cpu_seconds, pids))


class Memory(NamedTuple):
    """In MiB: resident, and with only a part of what is shared with other processes."""

    rss: float
    pss: float


def memory(pid: int) -> Memory:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kibibytes = dict(re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE))
    return Memory(int(kibibytes["Rss"]) / 1024, int(kibibytes["Pss"]) / 1024)


def children(pid: int) -> list[int]:
    """Of its first thread, which is the one that starts processes here."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def ended_with_parent(command: Sequence[str]) -> list[str]:
    """The kernel ends it with the thread that starts it."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


def run_bounded(module: str, seconds: float) -> int | None:
    """Runs this same command as a child, and ends it and all that it started once it is over, or takes too long.

    None in that child: there the caller goes on. What the child leaves behind comes to us, wherever it was started; if
    we are killed, the child is told to end, and its own clean-up runs.
    """
    if os.environ.get(_INNER):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return None
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = ["setpriv", "--pdeathsig", "TERM", "--", sys.executable, "-m", module, *sys.argv[1:]]
    child = subprocess.Popen(command, env=os.environ | {_INNER: "1"})
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: child.terminate())
    try:
        return _waited(child, seconds)
    finally:
        _end_all()


def _waited(child: "subprocess.Popen[bytes]", seconds: float) -> int:
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"it took more than {seconds:.0f} s and is ended", file=sys.stderr)
        child.terminate()
    except KeyboardInterrupt:
        # The terminal has told the child as well.
        print("ending", file=sys.stderr)
    try:
        child.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()
    return 1


def _end_all() -> None:
    deadline = time.monotonic() + _GRACE_S
    while (left := children(os.getpid())) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                continue
