"""Watch: the past since a revision (or the present), then every change as it is committed."""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.aside import slices
from crossfade_local.apiserver.conversion.versions import to_served
from crossfade_local.apiserver.handlers.backlog import Backlog
from crossfade_local.apiserver.handlers.selection import Selection, selection
from crossfade_local.apiserver.state.storage import ADDED, DELETED, MODIFIED, Event, Expired
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.types.zero_values import with_zero_values
from crossfade_local.apiserver.wire import options
from crossfade_local.apiserver.wire.answers import Answer, StreamAnswer
from crossfade_local.apiserver.wire.negotiation import Form, negotiate, partial
from crossfade_local.apiserver.wire.presentation import table_answer
from crossfade_local.apiserver.wire.request import Call, flag
from crossfade_local.apiserver.wire.status import expired, too_large_resource_version

log = logging.getLogger(__name__)

_BOOKMARK_S: Final = 60.0
_SHORTEST_DEFAULT_S: Final = 1800.0
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


async def watch(api: Api, call: Call, resource: ResourceType) -> Answer:
    options.check_list(call, watching=True)
    start = options.resource_version(call.query.get("resourceVersion", ""), watching=True)
    timeout = options.number(call, "timeoutSeconds")
    if start > api.storage.revision:
        raise too_large_resource_version(start, api.storage.revision)
    form = negotiate(call.headers.get("Accept", ""))
    stream = _Stream(
        api,
        resource,
        selection(call, resource),
        form,
        Backlog(lambda: _disconnect(call)),
        _Plan(
            start=start,
            wants_present=flag(call.query, "sendInitialEvents") or start == 0,
            bookmarks=flag(call.query, "allowWatchBookmarks"),
            timeout_s=timeout or random.uniform(_SHORTEST_DEFAULT_S, 2 * _SHORTEST_DEFAULT_S),  # noqa: S311
            include=options.included_object(call) if form.convert == "Table" else "",
        ),
    )
    return StreamAnswer(stream.run(), form.encoding)


@dataclass(frozen=True)
class _Plan:
    start: int
    wants_present: bool
    bookmarks: bool
    timeout_s: float
    include: str


class _Stream:
    """One client's watch."""

    def __init__(
        self, api: Api, resource: ResourceType, chosen: Selection, form: Form, backlog: Backlog, plan: _Plan
    ) -> None:
        self._api: Final = api
        self._resource: Final = resource
        self._chosen: Final = chosen
        self._form: Final = form
        self._plan: Final = plan
        self._backlog: Final = backlog
        self._sent = plan.start
        self._has_columns = False

    async def run(self) -> AsyncIterator[bytes]:
        stop = self._api.storage.listen(self._resource.bucket, self._backlog.put)
        try:
            # Everything up to here was written before the listener heard anything.
            if self._plan.wants_present:
                async for chunk in self._present():
                    yield chunk
            else:
                try:
                    events = self._api.storage.events_since(self._resource.bucket, self._plan.start)
                except Expired as error:
                    yield _line("ERROR", orjson.dumps(expired(str(error)).status()))
                    return
                yield b"".join(self._lines(events))
            loop = asyncio.get_running_loop()
            end = loop.time() + self._plan.timeout_s
            bookmark = loop.time() + _BOOKMARK_S
            while (now := loop.time()) < end and not self._backlog.has_overflowed:
                try:
                    async with asyncio.timeout(min(end, bookmark) - now):
                        await self._backlog.arrived()
                except TimeoutError:
                    if self._plan.bookmarks and loop.time() >= bookmark:
                        yield self._bookmark({})
                    bookmark = loop.time() + _BOOKMARK_S
                    continue
                chunk = b"".join(self._lines(self._backlog.take()))
                if chunk:
                    yield chunk
        finally:
            stop()

    async def _present(self) -> AsyncIterator[bytes]:
        """What there is, in slices; what changes meanwhile waits in the backlog."""
        storage = self._api.storage
        self._sent = storage.revision
        present = list(storage.scan(self._resource.bucket, self._chosen.namespace))
        async for part in slices(present, self._chosen.terms):
            chosen = (stored.object for stored in part if self._chosen.matches(stored.object))
            yield b"".join(self._encoded(ADDED, obj) for obj in chosen)
        yield self._bookmark({INITIAL_EVENTS_END: "true"}) if self._plan.bookmarks else b""

    def _lines(self, events: Iterable[Event]) -> Iterable[bytes]:
        for event in events:
            if event.revision <= self._sent:
                continue
            self._sent = event.revision
            line = self._line(event)
            if line is not None:
                yield line

    def _line(self, event: Event) -> bytes | None:
        was = event.before is not None and self._chosen.matches(event.before.object)
        if event.type == DELETED:
            return self._shared(DELETED, event) if was else None
        now = self._chosen.matches(event.after.object)
        if now:
            return self._shared(MODIFIED if was else ADDED, event)
        if not was or event.before is None:
            return None
        gone = event.before.copy()
        gone["metadata"]["resourceVersion"] = str(event.revision)
        return self._encoded(DELETED, gone)

    def _shared(self, kind: str, event: Event) -> bytes:
        """The line for an event, made once for all plain watchers of the same version."""
        if self._form.convert:
            return self._encoded(kind, event.after.object)
        key = (kind, self._resource.api_version)
        line = event.encoded.get(key)
        if line is None:
            if event.after.object.get("apiVersion") == self._resource.api_version:
                line = _line(kind, event.after.raw)
            else:
                line = self._encoded(kind, event.after.object)
            event.encoded[key] = line
        return line

    def _encoded(self, kind: str, stored: JsonObject) -> bytes:
        return _line(kind, orjson.dumps(self._shown(to_served(self._resource, stored))))

    def _shown(self, obj: JsonObject) -> JsonObject:
        if self._form.convert == "Table":
            shown = table_answer(self._api, self._resource, obj, self._form, include=self._plan.include)
            if self._has_columns:
                shown["columnDefinitions"] = None
            self._has_columns = True
            return shown
        if self._form.convert:
            return partial(obj, self._form.version)
        return obj

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        self._sent = max(self._sent, self._api.storage.revision) if self._backlog.is_empty else self._sent
        metadata: JsonObject = {"resourceVersion": str(self._sent)}
        if annotations:
            metadata["annotations"] = annotations
        kind, version = self._resource.kind, self._resource.api_version
        if self._form.convert == "Table":
            head = {"kind": "Table", "apiVersion": f"meta.k8s.io/{self._form.version}"}
            inner = partial({"metadata": metadata}, self._form.version)
            row = {"cells": [], "object": inner}
            content = {**head, "metadata": {"resourceVersion": str(self._sent)}, "columnDefinitions": None}
            return _line("BOOKMARK", orjson.dumps({**content, "rows": [row]}))
        if self._form.convert:
            kind, version = "PartialObjectMetadata", f"meta.k8s.io/{self._form.version}"
        empty = {"kind": kind, "apiVersion": version, "metadata": metadata}
        if not self._form.convert and self._resource.custom is None:
            empty = with_zero_values(self._resource.schema, empty)
        return _line("BOOKMARK", orjson.dumps(empty))


def _disconnect(call: Call) -> None:
    """Ends the watch of a client that does not read what it is sent; it goes on, or lists again, when it comes back."""
    log.warning("watch.stalled", extra={"fields": {"user": call.user.name, "path": call.info.path}})
    connection = call.transport.transport if call.transport is not None else None
    if connection is not None:
        connection.abort()


def _line(kind: str, encoded: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), encoded)
