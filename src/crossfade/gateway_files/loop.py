"""Keeps a proxy current with a directory, and people with both. Files are read and compiled beside the event loop."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from crossfade.acme.demands import Demands
from crossfade.acme.news import News
from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.gateway_files.message import SELF, Message
from crossfade.gateway_files.telling import Telling
from crossfade.gateway_files.watch import FolderWatch
from crossfade.gateway_files.work import Outcome, Work
from crossfade.xds.gateway import PROXY, GatewayPublication
from crossfade.xds.inquiry import Finding
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import ObjectRef

# So many objects are named in the line that says that a change is live.
_NAMED: Final = 3

log = EventLog("crossfade.gateway")


class FilesLoop:
    """`say` gets one fact at a time; of changes, from `say_ready` on."""

    def __init__(self, folder: Path, work: Work, say: Callable[[Message], None]) -> None:
        self._publication = GatewayPublication(work.options, on_found=self._tell_refusal, on_taken=self._note_taken)
        self.publisher = self._publication.publisher
        self._folder = folder
        self._work = work
        self._say = say
        self._telling = Telling(str(folder))
        self._file_count = 0
        self.latest: CompiledGateway | None = None
        """What was compiled last."""
        self.demands = Demands()
        self._working = asyncio.Lock()
        self._published = asyncio.Event()
        self._taken = asyncio.Event()
        self._pending: dict[ObjectRef, None] = {}
        self._since_s: float | None = None
        self._is_ready = False
        self._was_refused = False
        self._logged: tuple[Exception, ...] = ()

    async def run(self) -> None:
        """Until cancelled. A fault costs the change that showed it: the next one is tried again."""
        async with FolderWatch(self._folder) as watch:
            self._tell_blindness(watch)
            await self._try(self._work.first)
            while True:
                watch.follow(self._work.link_targets)
                names = await watch.next()
                if self._since_s is None:
                    self._since_s = watch.noticed_s
                await self._try(partial(self._work.step, names))
                watch.looked_at_everything(cost_s=self._work.looking_took_s)

    async def until_published(self) -> None:
        """Until there is something for the proxy to have."""
        await self._published.wait()

    @property
    def is_taken(self) -> bool:
        """The proxy has answered for everything."""
        return self.publisher.is_taken(PROXY)

    async def until_taken(self) -> None:
        """Until the proxy has answered for everything."""
        while not self.publisher.is_taken(PROXY):
            self._taken.clear()
            await self._taken.wait()

    def say_ready(self, addresses: Iterable[str]) -> None:
        wrong = self._telling.wrong_count
        parts = [" and ".join(addresses), _counted(self._file_count, "file")]
        if wrong:
            parts.append(f"{wrong} with errors")
        self._pending.clear()
        self._since_s = None
        self._is_ready = True
        self._say(Message(SELF, f"{', '.join(parts)}: ready"))

    async def keep(self, entries: Mapping[str, bytes]) -> None:
        """What the plugin acme keeps has changed; returns when the proxy is given it."""
        await self._try(partial(self._work.keep, entries))

    def answers(self, tokens: frozenset[str]) -> bool:
        """The proxy has taken a configuration with these challenges."""
        latest = self.demands.latest
        return latest is not None and tokens <= latest.tokens and self.is_taken

    def place_of(self, name: str) -> str:
        """File and line of the object that is called so; empty if there is none."""
        return self._telling.place_of(name)

    def tell_certificate(self, news: News) -> None:
        about = self._telling.about(news.ref, news.text)
        self._say(about if news.is_failure else about._replace(severity=None))

    async def _try(self, step: Callable[[], Outcome | None]) -> None:
        async with self._working:
            await self._try_alone(step)

    async def _try_alone(self, step: Callable[[], Outcome | None]) -> None:
        try:
            outcome = await asyncio.to_thread(step)
        except Exception as exc:
            log.exception("files.failed", exc, folder=self._folder)
            text = "a fault keeps changes from going live; what was live stays, and the next change is tried"
            self._say(Message(SELF, text, Severity.ERROR, "report this with the traceback above"))
            return
        if outcome is not None:
            self._publish(outcome)
        elif not self._pending:
            self._since_s = None

    def _publish(self, outcome: Outcome) -> None:
        self._file_count = len(outcome.state.paths)
        self._pending |= dict.fromkeys(outcome.changed)
        self._was_refused = False
        built = outcome.built
        self.latest = built.compiled
        for exc in (*outcome.state.faults, *built.faults):
            self._log_once(exc)
        before = self.publisher.effective(PROXY)
        self._telling.note(outcome.state)
        self._publication.publish(built)
        self.demands.put(built.entities.acme if built.entities is not None else None)
        self._published.set()
        for message in self._telling.news(outcome.state, built.diagnostics):
            self._say(message)
        if self.publisher.effective(PROXY) == before:
            self._tell_live("nothing changes for Envoy")

    def _note_taken(self) -> None:
        self._taken.set()
        took_ms = 0.0 if self._since_s is None else (asyncio.get_running_loop().time() - self._since_s) * 1000
        exception = ", but for what Envoy refused" if self._was_refused else ""
        self._tell_live(f"live after {took_ms:.0f} ms{exception}")

    def _tell_live(self, what: str) -> None:
        if self._is_ready and self._pending:
            named = f" ({', '.join(map(str, self._pending))})" if len(self._pending) <= _NAMED else ""
            self._say(Message(SELF, f"{_counted(len(self._pending), 'object')} changed{named}: {what}"))
        self._pending.clear()
        self._since_s = None

    def _tell_refusal(self, finding: Finding) -> None:
        self._was_refused = True
        text = f"Envoy refused {finding.kind.name.lower()} {finding.name} and goes on without what is new in it"
        for culprit in finding.culprits:
            self._say(self._telling.about(culprit.ref, f"{text}: {culprit.reason}"))
        if not finding.culprits:
            self._say(Message("Envoy", f"{text}: {finding.reason}".replace("\n", " "), Severity.ERROR))

    def _tell_blindness(self, watch: FolderWatch) -> None:
        if watch.trouble:
            text = f"the kernel does not tell of changes ({watch.trouble}): the files are looked at once a second"
            hint = "raise fs.inotify.max_user_instances and fs.inotify.max_user_watches"
            self._say(Message(str(self._folder), text, Severity.WARNING, hint))

    def _log_once(self, exc: Exception) -> None:
        if not any(exc is one for one in self._logged):
            self._logged = (*self._logged, exc)
            log.exception("object.failed", exc)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
