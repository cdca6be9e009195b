"""The store: what it holds, what it remembers, and what it does when the disk fails."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import (
    HISTORY_BYTES,
    Conflict,
    Event,
    Expired,
    NotWritten,
    Replacement,
    Storage,
)
from tests.support.filling_disk import FillingDisk
from tests.support.reachable import reachable

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


async def test_a_resource_that_went_leaves_nothing() -> None:
    storage = Storage(Database(None))
    heard: list[Event] = []
    storage.listen("example.test/heard", heard.append)
    for number in range(3):
        bucket = f"example.test/kind-{number}"
        await storage.delete(bucket, await storage.create(bucket, "ns", "a", _object("a", number)))
    end = storage.revision
    before = reachable(storage)
    storage.forget_before(end)
    assert reachable(storage) < before
    with pytest.raises(Expired):
        storage.events_since("example.test/kind-1", end - 1)
    assert storage.events_since("example.test/kind-1", end) == []
    await storage.create("example.test/heard", "", "a", _object("a"))
    assert [event.type for event in heard] == ["ADDED"]


async def test_history_is_bounded_in_bytes() -> None:
    storage = Storage(Database(None))
    stored = await storage.create(BUCKET, "ns", "a", {**_object("a"), "text": "x" * 1_000_000})
    first = stored.revision
    for number in range(80):
        stored = await storage.update(BUCKET, stored, {**_object("a", number), "text": "x" * 1_000_000})
    found = storage.events_since(BUCKET, stored.revision - 60)
    assert len(found) == 60
    assert sum(event.size for event in found) < HISTORY_BYTES
    with pytest.raises(Expired):
        storage.events_since(BUCKET, first)
    storage.close()


async def test_the_past_reads_as_it_was() -> None:
    storage = Storage(Database(None))
    stored = await storage.create(BUCKET, "ns", "a", _object("a", 0))
    seen = [dict(stored.object)]
    for number in range(1, 200):
        stored = await storage.update(BUCKET, stored, _object("a", number))
        seen.append(dict(stored.object))
    await storage.delete(BUCKET, stored)
    events = storage.events_since(BUCKET, storage.revision - 201)
    assert [event.after.object for event in events[:-1]] == seen
    assert [event.before.object for event in events if event.before] == seen
    for number, (event, expected) in enumerate(zip(events, seen, strict=False)):
        assert [one.object for one in storage.list_at(BUCKET, "ns", event.revision)] == [expected], number
    # Only the newest are kept parsed.
    parsed = [event.before.object is event.before.object for event in events if event.before]
    assert parsed.count(True) == 64
    storage.close()


async def test_what_the_disk_refuses_never_happened(tmp_path: Path) -> None:
    storage = Storage(Database(tmp_path / "state.db"))
    disk = FillingDisk(tmp_path / "state.db")
    kept = await storage.create(BUCKET, "ns", "kept", _object("kept"))
    told: list[object] = []
    storage.listen(BUCKET, told.append)
    storage.on_change(lambda *news: told.append(news))
    disk.fill()
    for write in (
        storage.create(BUCKET, "ns", "new", _object("new")),
        storage.update(BUCKET, kept, _object("kept", 1)),
        storage.delete(BUCKET, kept),
    ):
        with pytest.raises(NotWritten, match="disk is full"):
            await write
    assert (_content(storage), storage.revision, told) == ({"kept": "0"}, kept.revision, [])
    assert storage.get(BUCKET, "ns", "new") is None
    assert "disk is full" in storage.check()
    disk.close()
    storage.close()


async def test_writes_go_on_when_the_disk_takes_them_again(tmp_path: Path) -> None:
    storage = Storage(Database(tmp_path / "state.db"))
    disk = FillingDisk(tmp_path / "state.db")
    assert storage.check() == ""
    disk.fill()
    with pytest.raises(NotWritten):
        await storage.create(BUCKET, "ns", "a", _object("a"))
    disk.clear()
    # Nobody has to write for the store to be well again.
    assert storage.check() == ""
    stored = await storage.create(BUCKET, "ns", "a", _object("a"))
    disk.close()
    storage.close()
    again = Storage(Database(tmp_path / "state.db"))
    assert (_content(again), again.revision) == ({"a": "0"}, stored.revision)
    again.close()


async def test_many_replacements_are_one_write(tmp_path: Path) -> None:
    storage = Storage(Database(tmp_path / "state.db"))
    first, second = [await storage.create(BUCKET, "ns", name, _object(name)) for name in "ab"]
    told: list[Event] = []
    storage.listen(BUCKET, told.append)
    await storage.update_all([Replacement(BUCKET, one, _object(one.key[1], 1)) for one in (first, second)])
    assert (_content(storage), storage.revision) == ({"a": "1", "b": "1"}, 4)
    assert [(event.type, event.revision, event.before) for event in told] == [
        ("MODIFIED", 3, first),
        ("MODIFIED", 4, second),
    ]
    with pytest.raises(Conflict):
        await storage.update_all([Replacement(BUCKET, one, _object("x")) for one in (first, second)])
    disk = FillingDisk(tmp_path / "state.db")
    disk.fill()
    current = [storage.get(BUCKET, "ns", name) for name in "ab"]
    with pytest.raises(NotWritten):
        await storage.update_all([Replacement(BUCKET, one, _object("x")) for one in current if one])
    disk.close()
    assert (_content(storage), storage.revision, len(told)) == ({"a": "1", "b": "1"}, 4, 2)
    await storage.update_all([])
    storage.close()


async def test_a_disk_is_full_while_it_takes_only_less_than_was_refused(tmp_path: Path) -> None:
    database = Database(tmp_path / "state.db")
    storage = Storage(database)
    (pages,) = database._connection.execute("PRAGMA page_count").fetchone()
    database._connection.execute(f"PRAGMA max_page_count = {pages + 3}")
    large = {"metadata": {"name": "large"}, "data": {"n": "x" * 50_000}}
    with pytest.raises(NotWritten, match="database or disk is full"):
        await storage.create(BUCKET, "ns", "large", large)
    assert "database or disk is full" in storage.check()
    await storage.create(BUCKET, "ns", "small", _object("small"))
    database._connection.execute("PRAGMA max_page_count = 100000")
    assert storage.check() == ""
    await storage.create(BUCKET, "ns", "large", large)
    storage.close()
    again = Storage(Database(tmp_path / "state.db"))
    assert sorted(_content(again)) == ["large", "small"]
    again.close()
