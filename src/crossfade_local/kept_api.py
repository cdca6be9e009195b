"""The API server as the node keeps it: started again whenever it ends, or when it does not answer any more."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from crossfade_kube.backoff import Backoff
from crossfade_local.last_words import last_words, log_end

log = logging.getLogger(__name__)

READY: Final = "ready"
UNUSABLE: Final = "unusable"
FRESH_NODE: Final = "--fresh-node"
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
_HEALTHY_AFTER_S: Final = 20.0


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long the server may be silent. A stopped process (SIGSTOP) is never slow: twice seen so, it is given up."""

    start_s: float = 120.0
    between_s: float = 2.0
    """From one question to the next."""
    silences: int = 3
    """Questions in a row without an answer."""


class UnusableStateError(Exception):
    """The server can never start on this state; the text says why and what to do."""


Ask = Callable[[], bool]
"""Whether the server answers; blocks, for a limited time."""
Tell = Callable[[str], None]


class KeptApiServer:
    """`command` starts it; its line on stdout says how that went. `log_file` is where its stderr goes."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        descriptors: Sequence[int],
        ask: Ask,
        tell: Tell,
        log_file: Path,
        patience: Patience | None = None,
    ) -> None:
        self.answering = asyncio.Event()
        """Set once it has been ready."""
        self._command = tuple(command)
        self._descriptors = tuple(descriptors)
        self._ask = ask
        self._tell = tell
        self._log_file = log_file
        self._patience = patience or Patience()

    async def run(self) -> None:
        """Until cancelled. Raises UnusableStateError."""
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            reason = await self._run_once()
            if loop.time() - started > _HEALTHY_AFTER_S:
                backoff.reset()
            pause_s = backoff.next_s()
            log.error("api.ended", extra={"fields": {"reason": reason, "restart_in_s": round(pause_s, 1)}})
            self._tell(f"the API server {reason}: starting it again")
            await asyncio.sleep(pause_s)

    async def _run_once(self) -> str:
        """Why it ended, as the end of a sentence."""
        since = log_end(self._log_file)
        # Only while no container can be running yet.
        fresh = () if self.answering.is_set() else (FRESH_NODE,)
        try:
            server = await asyncio.create_subprocess_exec(
                *self._command, *fresh, stdout=asyncio.subprocess.PIPE, pass_fds=self._descriptors
            )
        except OSError as error:
            return f"cannot be started ({error})"
        try:
            return await self._attend(server, since)
        finally:
            if server.returncode is None:
                server.kill()
                await server.wait()

    async def _attend(self, server: asyncio.subprocess.Process, since: int) -> str:
        word, text = await self._first_line(server)
        if word == READY:
            self.answering.set()
            return await self._watch(server, since)
        if word == UNUSABLE:
            raise UnusableStateError(text)
        if word is None:
            server.kill()
            return f"was not ready within {self._patience.start_s:g} s"
        return f"did not start: {text or self._ending(await server.wait(), since)}"

    async def _first_line(self, server: asyncio.subprocess.Process) -> tuple[str | None, str]:
        """Word and text; no word at all when it took too long."""
        assert server.stdout is not None
        try:
            async with asyncio.timeout(self._patience.start_s):
                line = (await server.stdout.readline()).decode(errors="replace")
        except TimeoutError:
            return None, ""
        word, _, text = line.strip().partition(" ")
        return word, text

    async def _watch(self, server: asyncio.subprocess.Process, since: int) -> str:
        watching = asyncio.create_task(self._until_silent(server.pid), name="api watchdog")
        ending = asyncio.create_task(server.wait())
        try:
            await asyncio.wait({watching, ending}, return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                return self._ending(ending.result(), since)
            server.kill()
            await ending
            return watching.result()
        finally:
            for task in (watching, ending):
                task.cancel()
            await asyncio.gather(watching, ending, return_exceptions=True)

    async def _until_silent(self, pid: int) -> str:
        silent = stopped = 0
        while silent < self._patience.silences:
            await asyncio.sleep(self._patience.between_s)
            stopped = stopped + 1 if is_stopped(pid) else 0
            if stopped > 1:
                return "was stopped (SIGSTOP)"
            if not stopped:
                silent = 0 if await asyncio.to_thread(self._ask) else silent + 1
        return f"did not answer {silent} times in a row"

    def _ending(self, code: int, since: int) -> str:
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"was ended by {signal.Signals(-code).name}"
        words = last_words(self._log_file, since=since)
        return f"ended with code {code}{f' ({words})' if words else ''}"


def is_stopped(pid: int) -> bool:
    """By SIGSTOP or a terminal, not by a debugger; false when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] == ["T"]
