"""What the Admin API shows, made of the latest compiled state when somebody asks, and once a state."""

import asyncio
from collections.abc import Callable
from hashlib import md5

import msgspec

from crossfade.admin_api.entities import all_entities, watched_upstreams
from crossfade.admin_api.pages import Book
from crossfade.compile.gateway.compiler import CompiledGateway
from crossfade.explain.explainer import Explainer
from crossfade.explain.model import Explanation, StreamExplanation
from crossfade.explain.streams import StreamQuestion, explain_stream
from crossfade.policy_module.rehearsal import Question


class AdminState:
    """`latest` gives the state, None before the first one; `takes_traffic` says whether the proxy has one."""

    def __init__(self, latest: Callable[[], CompiledGateway | None], takes_traffic: Callable[[], bool]) -> None:
        self._latest = latest
        self._takes_traffic = takes_traffic
        self._shown: CompiledGateway | None = None
        self._book = Book({})
        self._explainer: Explainer | None = None
        self._was_ready = False
        self._lock = asyncio.Lock()

    @property
    def is_ready(self) -> bool:
        """From then on for good: a change on its way is no reason to take traffic away."""
        self._was_ready = self._was_ready or (self._latest() is not None and self._takes_traffic())
        return self._was_ready

    async def book(self) -> Book:
        async with self._lock:
            await asyncio.to_thread(self._follow)
            return self._book

    async def explain(self, question: Question, url: str) -> Explanation | None:
        """None before the first state."""
        async with self._lock:
            await asyncio.to_thread(self._follow)
            return await asyncio.to_thread(self._explain, question, url)

    async def explain_stream(self, question: StreamQuestion) -> StreamExplanation | None:
        """None before the first state."""
        latest = self._latest()
        return None if latest is None else await asyncio.to_thread(explain_stream, latest, question)

    async def configuration_hash(self) -> str:
        """32 hexadecimal digits; zeros for nothing (kong.md §7.3)."""
        book = await self.book()
        if not any(book.collections.values()):
            return "0" * 32
        content = await asyncio.to_thread(msgspec.json.encode, book.collections)
        return md5(content, usedforsecurity=False).hexdigest()

    def _follow(self) -> None:
        latest = self._latest()
        if latest is not None and latest is not self._shown:
            self._book = Book(all_entities(latest.entities), watched_upstreams(latest.entities))
            self._shown, self._explainer = latest, None

    def _explain(self, question: Question, url: str) -> Explanation | None:
        if self._explainer is None and self._shown is not None:
            self._explainer = Explainer(self._shown)
        return self._explainer.explain(question, url) if self._explainer is not None else None
