"""The API server's lists and watches against a model, whatever happens in whatever order.

Every watcher is told exactly the history of what it selects, in order, however often it is cut off and goes on; the
pages of a list are one state of the past; only what is really forgotten is called expired.
"""

import asyncio
import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.status import StatusError
from tests.support.api_in_process import ApiInProcess

from .history import Change, Choice, History, Key, Shown, Told

REMEMBERED = 16
"""Changes of a resource that the server is told to keep."""
LABELS = ("", "a=1", "a!=1", "a", "!a", "a in (1,2)")
KEYS = st.sampled_from([(namespace, name) for namespace in ("n", "m") for name in ("x", "y", "z")])
LABELLED = st.sampled_from([{}, {"a": "1"}, {"a": "2"}, {"b": "1"}])
CHOICES = st.builds(Choice, st.sampled_from([None, "n", "m"]), st.sampled_from(LABELS), st.sampled_from(["", "", "x"]))
FINALIZER = "example.com/held"
SELDOM = st.sampled_from([False, False, False, False, True])
"""What ends the past must not happen all the time, or there is none."""
_TURNS = 300
"""Of the event loop until what was written has reached everybody: many more than it takes."""


class Watcher:
    """A client that notes what it is told."""

    def __init__(self, choice: Choice, since: int) -> None:
        self.choice = choice
        self.since = since
        self.told: list[Told] = []
        self.marks: list[int] = []
        self.expired = False
        self.initial: list[Told] | None = None
        self.task: asyncio.Task[None] | None = None

    async def read(self, chunks: Any) -> None:
        async for chunk in chunks:
            for line in chunk.splitlines():
                self._note(json.loads(line))

    def _note(self, event: dict[str, Any]) -> None:
        obj = event["object"]
        if event["type"] == "ERROR":
            assert (obj["code"], obj["reason"]) == (410, "Expired")
            self.expired = True
            return
        revision = int(obj["metadata"]["resourceVersion"])
        if event["type"] == "BOOKMARK":
            assert obj["kind"] == "ConfigMap"
            self.marks.append(revision)
            return
        self.told.append(Told(event["type"], revision, Shown.of(obj)))

    @property
    def reached(self) -> int:
        """Where this client would go on."""
        return max([self.since, *(told.revision for told in self.told), *self.marks])

    async def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task


class Pages:
    """A list that is being read page by page."""

    def __init__(self, choice: Choice, limit: int, revision: int) -> None:
        self.choice, self.limit, self.revision = choice, limit, revision
        self.token = ""
        self.seen: list[tuple[int, Shown]] = []
        self.is_consistent = True


class ApiMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.history = History()
        self.versions: dict[Key, str] = {}
        self.forgotten = 0
        """Revisions before it may not be asked for."""
        self.watchers: list[Watcher] = []
        self.pages: list[Pages] = []
        self.counter = 0
        self._open()

    def _open(self) -> None:
        self.storage = Storage(Database(self.folder / "state.db"), history=REMEMBERED)
        self.server = ApiInProcess(self.storage)

    def teardown(self) -> None:
        self._run(self._stop_watchers())
        self.storage.close()
        self.loop.close()
        shutil.rmtree(self.folder)

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def _stop_watchers(self) -> None:
        for watcher in self.watchers:
            await watcher.stop()

    @property
    def now(self) -> int:
        return self.storage.revision

    # -- writes ----------------------------------------------------------------------------------------------------

    def _wrote(self, key: Key, before: Shown | None, after: Shown | None) -> None:
        last = self.history.changes[-1].revision if self.history.changes else 0
        if before == after:
            assert self.now == last or before is None, "nothing changed, and yet there is a new revision"
            return
        assert self.now > last
        self.history.changes.append(Change(self.now, before, after))
        if after is None:
            self.versions.pop(key)
        else:
            self.versions[key] = str(self.now)

    def _stored(self, key: Key) -> Shown | None:
        found = self.history.at(self.now).get(key)
        return found[1] if found else None

    def _send(self, method: str, path: str, body: Any = None, **options: str) -> tuple[int, dict[str, Any]]:
        found: tuple[int, dict[str, Any]] = self._run(self.server.send(method, path, body, **options))
        return found

    @initialize(keys=st.lists(KEYS, unique=True, min_size=3), labels=LABELLED)
    def begin(self, keys: list[Key], labels: dict[str, str]) -> None:
        for key in keys:
            self.create(key, labels, held=False)

    @rule(key=KEYS, labels=LABELLED, held=st.booleans())
    def create(self, key: Key, labels: dict[str, str], held: bool) -> None:
        self.counter += 1
        metadata = {"name": key[1], "labels": labels, "finalizers": [FINALIZER] if held else []}
        before = self._stored(key)
        status, answer = self._send("POST", path_of(key[0]), {"metadata": metadata, "data": {"v": str(self.counter)}})
        if before is not None:
            assert (status, answer["reason"]) == (409, "AlreadyExists")
            return
        assert status == 201
        self._wrote(key, None, Shown.of(answer))
        assert answer["metadata"]["resourceVersion"] == str(self.now)

    @rule(key=KEYS, labels=LABELLED, again=st.booleans(), version=st.sampled_from(["", "current", "old"]))
    def replace(self, key: Key, labels: dict[str, str], again: bool, version: str) -> None:
        before = self._stored(key)
        self.counter += 1
        value = before.value if again and before else str(self.counter)
        named = {"current": self.versions.get(key, "1"), "old": "1"}.get(version, "")
        metadata = {"name": key[1], "labels": labels, "resourceVersion": named}
        if before and before.ending:
            metadata["finalizers"] = [FINALIZER]
        body = {"metadata": metadata, "data": {"v": value}}
        status, answer = self._send("PUT", f"{path_of(key[0])}/{key[1]}", body)
        if before is None:
            assert status == 404
        elif version == "old" and self.versions[key] != "1":
            assert (status, answer["reason"]) == (409, "Conflict")
        else:
            assert status == 200, answer
            self._wrote_or_not(key, before, answer)

    def _wrote_or_not(self, key: Key, before: Shown, answer: dict[str, Any]) -> None:
        after = Shown.of(answer)
        if answer["metadata"]["resourceVersion"] == self.versions[key]:
            assert after == before
        elif after == before:
            # What the model does not look at has changed, finalizers for one.
            self.history.changes.append(Change(self.now, before, after))
            self.versions[key] = str(self.now)
        else:
            self._wrote(key, before, after)
        assert answer["metadata"]["resourceVersion"] == self.versions[key]

    @rule(key=KEYS, label=st.sampled_from([None, "1", "2"]), json_patch=st.booleans())
    def label(self, key: Key, label: str | None, json_patch: bool) -> None:
        before = self._stored(key)
        change: Any = {"metadata": {"labels": {"a": label}}}
        content = "application/merge-patch+json"
        if json_patch and label:
            change = [{"op": "add", "path": "/metadata/labels", "value": {"a": label}}]
            content = "application/json-patch+json"
        status, answer = self._send("PATCH", f"{path_of(key[0])}/{key[1]}", change, content_type=content)
        if before is None:
            assert status == 404
            return
        assert status == 200, answer
        self._wrote_or_not(key, before, answer)

    @rule(key=KEYS)
    def delete(self, key: Key) -> None:
        before = self._stored(key)
        status, answer = self._send("DELETE", f"{path_of(key[0])}/{key[1]}")
        if before is None:
            assert status == 404
            return
        assert status == 200
        is_gone = answer["kind"] == "Status"
        if is_gone:
            self._wrote(key, before, None)
        else:
            self._wrote_or_not(key, before, answer)
            assert Shown.of(answer).ending

    @rule(key=KEYS)
    def let_go(self, key: Key) -> None:
        before = self._stored(key)
        if before is None:
            return
        change = {"metadata": {"finalizers": None}}
        path = f"{path_of(key[0])}/{key[1]}"
        _, answer = self._send("PATCH", path, change, content_type="application/merge-patch+json")
        if before.ending:
            self._wrote(key, before, None)
        else:
            self._wrote_or_not(key, before, answer)

    @rule(choice=CHOICES, really=SELDOM)
    def delete_collection(self, choice: Choice, really: bool) -> None:
        if choice.namespace is None or not really:
            return
        first = self.now
        wanted = self.history.listed(choice, self.now)
        status, answer = self._send("DELETE", choice.path, **choice.query)
        assert status == 200
        assert [Shown.of(item).key for item in answer["items"]] == [shown.key for _, shown in wanted]
        # One change for each of them, in order, but for those that were being deleted already.
        changed = [shown for _, shown in wanted if not shown.ending]
        remaining = {Shown.of(item).key: Shown.of(item) for item in self._present()}
        for revision, before in enumerate(changed, first + 1):
            after = remaining.get(before.key)
            self.history.changes.append(Change(revision, before, after))
            if after is None:
                self.versions.pop(before.key)
            else:
                assert after.ending
                self.versions[before.key] = str(revision)
        assert self.now == first + len(changed)

    def _present(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._send("GET", "/api/v1/configmaps")[1]["items"]
        return items

    @rule()
    def write_something_else(self) -> None:
        self.counter += 1
        body = {"metadata": {"name": f"s{self.counter}"}}
        assert self._send("POST", "/api/v1/namespaces/n/secrets", body)[0] == 201

    # -- reads -----------------------------------------------------------------------------------------------------

    def _is_forgotten(self, revision: int) -> bool:
        return revision < self.forgotten

    def _may_be_forgotten(self, revision: int) -> bool:
        return sum(change.revision >= revision for change in self.history.changes) >= REMEMBERED

    def _is_refused_as_old(self, status: int, answer: dict[str, Any], revision: int) -> bool:
        """Whether it was refused, rightly, as too old."""
        if status == 410:
            assert answer["reason"] == "Expired"
            assert self._is_forgotten(revision) or self._may_be_forgotten(revision)
            return True
        assert status == 200, answer
        assert not self._is_forgotten(revision)
        return False

    @rule(choice=CHOICES, back=st.integers(0, 20), exact=st.booleans())
    def list_the_past(self, choice: Choice, back: int, exact: bool) -> None:
        revision = max(self.now - back, 1)
        if self.now == 0:
            return
        query = {"resourceVersion": str(revision), "resourceVersionMatch": "Exact" if exact else "NotOlderThan"}
        status, answer = self._send("GET", choice.path, **choice.query, **query)
        if not exact:
            assert listed(answer) == self.history.listed(choice, self.now)
        elif not self._is_refused_as_old(status, answer, revision):
            assert answer["metadata"]["resourceVersion"] == str(revision)
            assert listed(answer) == self.history.listed(choice, revision)

    @rule(choice=CHOICES, ahead=st.integers(1, 3))
    def list_the_future(self, choice: Choice, ahead: int) -> None:
        status, answer = self._send("GET", choice.path, resourceVersion=str(self.now + ahead))
        assert (status, answer["reason"]) == (504, "Timeout")

    @rule(choice=CHOICES, limit=st.integers(1, 3))
    def begin_pages(self, choice: Choice, limit: int) -> None:
        pages = Pages(choice, limit, self.now)
        self.pages.append(pages)
        self._next_page(pages)

    @precondition(lambda self: self.pages)
    @rule(which=st.integers(0, 9))
    def next_page(self, which: int) -> None:
        self._next_page(self.pages[which % len(self.pages)])

    def _next_page(self, pages: Pages) -> None:
        query = {"limit": str(pages.limit)} | ({"continue": pages.token} if pages.token else {})
        status, answer = self._send("GET", pages.choice.path, **pages.choice.query, **query)
        if self._is_refused_as_old(status, answer, pages.revision):
            self._go_on_without_the_past(pages, answer["metadata"]["continue"])
            return
        assert answer["metadata"]["resourceVersion"] == str(pages.revision)
        pages.seen += listed(answer)
        assert len(answer["items"]) <= pages.limit
        whole = self.history.listed(pages.choice, pages.revision)
        assert pages.seen == whole[: len(pages.seen)]
        pages.token = answer["metadata"].get("continue", "")
        if not pages.token:
            assert pages.seen == whole
            assert "remainingItemCount" not in answer["metadata"]
            self.pages.remove(pages)
        elif not pages.choice.query:
            assert answer["metadata"]["remainingItemCount"] == len(whole) - len(pages.seen)

    def _go_on_without_the_past(self, pages: Pages, token: str) -> None:
        """The token of the refusal shows the present, behind what was seen."""
        self.pages.remove(pages)
        status, answer = self._send("GET", pages.choice.path, **pages.choice.query, **{"continue": token})
        assert status == 200
        last = pages.seen[-1][1].key
        rest = [found for found in self.history.listed(pages.choice, self.now) if found[1].key > last]
        assert listed(answer) == rest

    # -- watches ---------------------------------------------------------------------------------------------------

    def _watch(self, choice: Choice, since: int, **query: str) -> Watcher:
        watcher = Watcher(choice, since)
        begin = {"resourceVersion": str(since)} if since else {}
        stream = self._run(self.server.watch(choice.path, **choice.query, **begin, **query))
        watcher.task = self.loop.create_task(watcher.read(stream.chunks))
        self.watchers.append(watcher)
        if len(self.watchers) > 6:
            self._end(self.watchers[0])
        return watcher

    def _end(self, watcher: Watcher) -> None:
        self._check(watcher)
        self._run(watcher.stop())
        self.watchers.remove(watcher)

    @rule(choice=CHOICES, marks=st.booleans(), zero=st.booleans())
    def watch_from_the_present(self, choice: Choice, marks: bool, zero: bool) -> None:
        query = {"resourceVersion": "0"} if zero else {}
        if marks:
            query = {"sendInitialEvents": "1", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "1"}
        watcher = self._watch(choice, 0, **query)
        present = [Told("ADDED", *found) for found in self.history.listed(choice, self.now)]
        self._pump(lambda: len(watcher.told) >= len(present) and len(watcher.marks) >= marks)
        assert watcher.told == present
        assert watcher.marks == [self.now] * marks
        watcher.told.clear()
        watcher.since = self.now

    @rule(choice=CHOICES, back=st.integers(0, 20))
    def watch_from_the_past(self, choice: Choice, back: int) -> None:
        if self.now:
            self._check(self._watch(choice, max(self.now - back, 1)))

    @rule(choice=CHOICES)
    def watch_from_the_future(self, choice: Choice) -> None:
        with pytest.raises(StatusError) as caught:
            self._run(self.server.watch(choice.path, resourceVersion=str(self.now + 1)))
        assert (caught.value.code, caught.value.reason) == (504, "Timeout")

    @precondition(lambda self: self.watchers)
    @rule(which=st.integers(0, 9), cut=st.integers(0, 5))
    def cut_off_and_go_on(self, which: int, cut: int) -> None:
        """The client goes on from the last event that it has read; some were lost on the way."""
        watcher = self.watchers[which % len(self.watchers)]
        self._end(watcher)
        if watcher.expired:
            return
        kept = watcher.told[: max(len(watcher.told) - cut, 0)]
        revisions = [told.revision for told in kept] or [watcher.since]
        since = watcher.reached if cut == 0 else revisions[-1]
        if since:
            self._check(self._watch(watcher.choice, since))

    def _check(self, watcher: Watcher) -> None:
        expected = self.history.told(watcher.choice, watcher.since)
        self._pump(lambda: watcher.expired or len(watcher.told) >= len(expected))
        if watcher.expired:
            assert not watcher.told
            assert self._is_forgotten(watcher.since) or self._may_be_forgotten(watcher.since)
        else:
            assert watcher.told == expected

    def _pump(self, is_enough: Any) -> None:
        async def turns() -> None:
            for _ in range(_TURNS):
                if is_enough():
                    break
                await asyncio.sleep(0)
            await asyncio.sleep(0)

        self._run(turns())

    @rule()
    def everybody_has_been_told(self) -> None:
        for watcher in self.watchers:
            self._check(watcher)

    # -- forgetting ------------------------------------------------------------------------------------------------

    @rule(back=st.integers(0, 6), really=SELDOM)
    def compact(self, back: int, really: bool) -> None:
        if not really:
            return
        revision = max(self.now - back, 0)
        self.storage.forget_before(revision)
        self.forgotten = max(self.forgotten, revision)

    @rule(really=SELDOM)
    def restart(self, really: bool) -> None:
        if not really:
            return
        for watcher in list(self.watchers):
            self._end(watcher)
        before = self.now
        self.storage.close()
        self._open()
        assert self.now == before
        self.forgotten = self.now
        assert listed({"items": self._present()}) == self.history.listed(Choice(), self.now)


def path_of(namespace: str) -> str:
    return Choice(namespace).path


def listed(answer: dict[str, Any]) -> list[tuple[int, Shown]]:
    return [(int(item["metadata"]["resourceVersion"]), Shown.of(item)) for item in answer["items"]]


TestApi = ApiMachine.TestCase
TestApi.settings = settings(
    max_examples=max(25, settings.default.max_examples // 10), stateful_step_count=60, deadline=None
)
