"""The store: what it holds, what it remembers, and what it does when the disk fails."""

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import BrokenError, Conflict, Expired, Storage

BUCKET = "/configmaps"
STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "delete"])), max_size=30)


def _object(name: str, value: int = 0) -> dict[str, object]:
    return {"metadata": {"name": name}, "data": {"n": str(value)}}


def _content(storage: Storage) -> dict[str, str]:
    return {stored.key[1]: stored.object["data"]["n"] for stored in storage.scan(BUCKET)}


async def _do(storage: Storage, name: str, action: str, value: int) -> None:
    current = storage.get(BUCKET, "ns", name)
    if action == "delete":
        if current is not None:
            await storage.delete(BUCKET, current)
    elif current is None:
        await storage.create(BUCKET, "ns", name, _object(name, value))
    else:
        await storage.update(BUCKET, current, _object(name, value))


@settings(max_examples=30, deadline=None)
@given(STEPS)
async def test_past_lists_and_events_agree_with_what_was(steps: list[tuple[str, str]]) -> None:
    storage = Storage(Database(None))
    past = {storage.revision: _content(storage)}
    for value, (name, action) in enumerate(steps):
        await _do(storage, name, action, value)
        past[storage.revision] = _content(storage)
    for revision, content in past.items():
        then = {stored.key[1]: stored.object["data"]["n"] for stored in storage.list_at(BUCKET, "ns", revision)}
        assert then == content
        for event in storage.events_since(BUCKET, revision):
            if event.type == "DELETED":
                del then[event.after.key[1]]
            else:
                then[event.after.key[1]] = event.after.object["data"]["n"]
        assert then == _content(storage)
    storage.close()


async def test_reopened_file_holds_everything_and_counts_on(tmp_path: Path) -> None:
    storage = Storage(Database(tmp_path / "state.db"))
    first = await storage.create(BUCKET, "ns", "a", _object("a"))
    await storage.create(BUCKET, "ns", "b", _object("b"))
    await storage.delete(BUCKET, first)
    storage.close()
    again = Storage(Database(tmp_path / "state.db"))
    assert (_content(again), again.revision) == ({"b": "0"}, 3)
    with pytest.raises(Expired):
        again.events_since(BUCKET, 2)
    again.close()


async def test_stale_write_is_a_conflict() -> None:
    storage = Storage(Database(None))
    first = await storage.create(BUCKET, "ns", "a", _object("a"))
    second = await storage.update(BUCKET, first, _object("a", 1))
    for write in (storage.update(BUCKET, first, _object("a", 2)), storage.delete(BUCKET, first)):
        with pytest.raises(Conflict) as caught:
            await write
        assert caught.value.current == second
    with pytest.raises(Conflict):
        await storage.create(BUCKET, "ns", "a", _object("a"))
    storage.close()


async def test_forgotten_revisions_are_expired() -> None:
    storage = Storage(Database(None), history=3)
    for name in "abcdef":
        await storage.create(BUCKET, "ns", name, _object(name))
    assert len(storage.events_since(BUCKET, 4)) == 2
    with pytest.raises(Expired, match="too old resource version: 2 "):
        storage.events_since(BUCKET, 2)
    storage.forget_before(5)
    with pytest.raises(Expired):
        storage.list_at(BUCKET, None, 4)
    assert len(storage.list_at(BUCKET, None, 5)) == 5
    storage.close()


class _FullDisk(Database):
    def write(self, revision: int, changes: object) -> None:  # noqa: ARG002 - the parent's signature
        raise sqlite3.OperationalError("database or disk is full")


async def test_failing_disk_acknowledges_nothing() -> None:
    storage = Storage(_FullDisk(None))
    seen: list[object] = []
    storage.listen(BUCKET, seen.append)
    for name in "ab":
        with pytest.raises(BrokenError, match="disk is full"):
            await storage.create(BUCKET, "ns", name, _object(name))
    assert seen == []
    storage.close()
