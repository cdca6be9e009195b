"""How the API server is kept running: when it is started again, when it is given up, and what is told."""

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from crossfade_local.kept_api import KeptApiServer, Patience, UnusableStateError
from crossfade_local.last_words import last_words, log_end

LASTING = """
import os, sys, time
print("ready", flush=True)
open(sys.argv[1], "a").write(f"{os.getpid()} {sys.argv[2:]}\\n")
"""
SLEEP = "time.sleep(60)"
QUICK = Patience(start_s=5.0, between_s=0.02, silences=2)


class Kept:
    """A server of this program, and what became of it."""

    def __init__(self, folder: Path, program: str, *, ask: Callable[[], bool] = lambda: True) -> None:
        self.told: list[str] = []
        self.starts = folder / "starts"
        self.log = folder / "node.log"
        (folder / "program.py").write_text(program)
        self.server = KeptApiServer(
            [sys.executable, str(folder / "program.py"), str(self.starts)],
            descriptors=[],
            ask=ask,
            tell=self.told.append,
            log_file=self.log,
            patience=QUICK,
        )

    def started(self) -> list[tuple[int, str]]:
        lines = self.starts.read_text().splitlines() if self.starts.exists() else []
        return [(int(line.partition(" ")[0]), line.partition(" ")[2]) for line in lines]

    def signalled(self, number: signal.Signals) -> int:
        """Sends it to the first process while there is no other; gives how many have started."""
        started = self.started()
        if len(started) == 1:
            with contextlib.suppress(ProcessLookupError):
                os.kill(started[0][0], number)
        return len(started)

    async def until(self, condition: Callable[[], bool]) -> None:
        running = asyncio.create_task(self.server.run())
        try:
            async with asyncio.timeout(20):
                while not condition():
                    if running.done():
                        await running
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_killed_one_is_started_again_on_a_node_that_runs(tmp_path: Path) -> None:
    kept = Kept(tmp_path, LASTING + SLEEP)
    await kept.until(lambda: kept.signalled(signal.SIGKILL) > 1)
    assert kept.told == ["the API server was ended by SIGKILL: starting it again"]
    assert [arguments for _, arguments in kept.started()] == ["['--fresh-node']", "[]"]


async def test_stopped_one_is_started_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path, LASTING + SLEEP)
    await kept.until(lambda: kept.signalled(signal.SIGSTOP) > 1)
    assert kept.told == ["the API server was stopped (SIGSTOP): starting it again"]


async def test_silent_one_is_started_again(tmp_path: Path) -> None:
    answers = [True, False, True, False, False]
    kept = Kept(tmp_path, LASTING + SLEEP, ask=lambda: answers.pop(0) if answers else True)
    await kept.until(lambda: len(kept.started()) > 1)
    assert kept.told == ["the API server did not answer 2 times in a row: starting it again"]


async def test_one_that_does_not_start_is_tried_on(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "print('failed no space left')")
    await kept.until(lambda: len(kept.told) == 2)
    assert set(kept.told) == {"the API server did not start: no space left: starting it again"}
    assert not kept.server.answering.is_set()


async def test_one_that_says_nothing_is_told_by_its_log(tmp_path: Path) -> None:
    kept = Kept(
        tmp_path,
        f"open({str(tmp_path / 'node.log')!r}, 'a').write('Traceback\\nValueError: odd\\n')\nraise SystemExit(3)",
    )
    await kept.until(lambda: bool(kept.told))
    assert kept.told[0] == "the API server did not start: ended with code 3 (ValueError: odd): starting it again"


async def test_state_that_no_try_can_mend_ends_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "print('unusable state.db is empty')")
    with pytest.raises(UnusableStateError, match=r"^state\.db is empty$"):
        await kept.until(lambda: False)
    assert kept.told == []


def test_last_words_are_those_since(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert (log_end(log), last_words(log, since=0)) == (0, "")
    log.write_text("old trouble\n")
    since = log_end(log)
    assert last_words(log, since=since) == ""
    with log.open("a") as file:
        file.write("Traceback (most recent call last):\n  File x\n    ^^^^\nOSError: [Errno 28] full\n\n")
    assert last_words(log, since=since) == "OSError: [Errno 28] full"
    with log.open("a") as file:
        traceback.print_exception(
            ExceptionGroup("of tasks", [ExceptionGroup("more", [OSError(22, "not taken")])]), file=file
        )
    assert last_words(log, since=since) == "OSError: [Errno 22] not taken"
    # Moved away for being too long.
    log.write_text("new\n")
    assert last_words(log, since=since + 1000) == "new"
