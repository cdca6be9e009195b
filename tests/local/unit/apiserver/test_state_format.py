"""Which files the store opens, and what it says of the others."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from crossfade_local.apiserver.state.database import Database, Synchronous
from crossfade_local.apiserver.state.format import APPLICATION_ID, VERSION, UnusableStateError
from crossfade_local.apiserver.state.storage import Storage

BUCKET = "/configmaps"


async def kept(path: Path) -> None:
    storage = Storage(Database(path))
    await storage.create(BUCKET, "ns", "a", {"metadata": {"name": "a"}})
    storage.close()


def names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


def pragma(path: Path, name: str) -> int:
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
    finally:
        connection.close()


def run(path: Path, script: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.close()


async def test_new_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await kept(path)
    assert (pragma(path, "application_id"), pragma(path, "user_version")) == (APPLICATION_ID, VERSION)
    assert path.stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == ["state.db"]


async def test_file_from_before_there_were_versions_is_upgraded(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await kept(path)
    run(path, "PRAGMA application_id = 0; PRAGMA user_version = 0;")
    storage = Storage(Database(path))
    assert storage.count(BUCKET) == 1
    storage.close()
    assert (pragma(path, "application_id"), pragma(path, "user_version")) == (APPLICATION_ID, VERSION)


def _empty(path: Path) -> None:
    path.touch()


def _text(path: Path) -> None:
    path.write_text("Dear diary, " * 1000)


def _foreign(path: Path) -> None:
    run(path, "CREATE TABLE cookies (host TEXT);")


def _foreign_mark(path: Path) -> None:
    run(path, "CREATE TABLE objects (x); CREATE TABLE facts (x); PRAGMA application_id = 1196444487;")


def _newer(path: Path) -> None:
    Database(path).close()
    run(path, f"PRAGMA user_version = {VERSION + 1};")


def _torn(path: Path) -> None:
    Database(path).close()
    run(path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
              " INSERT INTO objects SELECT '/configmaps', 'ns', 'm' || i, i, zeroblob(100) FROM n;")  # fmt: skip
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)


def _journal_alone(path: Path) -> None:
    path.with_name("state.db-wal").write_bytes(b"x" * 100)


def _no_json(path: Path) -> None:
    Database(path).close()
    run(path, "INSERT INTO objects VALUES ('/configmaps', 'ns', 'a', 1, '{');")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_empty, "it is empty, so its content is lost"),
        (_text, "file is not a database"),
        (_foreign, "it is a database of another program"),
        (_foreign_mark, "it is a database of another program"),
        (_newer, f"a newer Crossfade has written it \\(format {VERSION + 1}, this one knows {VERSION}\\)"),
        (_torn, "malformed"),
        (_journal_alone, "is missing, but not its journal state.db-wal"),
        (_no_json, "/configmaps ns/a is damaged"),
    ],
)
def test_other_files_are_refused_and_left_alone(tmp_path: Path, spoil: Callable[[Path], None], reason: str) -> None:
    path = tmp_path / "state.db"
    spoil(path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with pytest.raises(UnusableStateError, match=reason):
        Storage(Database(path))
    if spoil not in (_torn, _no_json):
        assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


@pytest.mark.parametrize("synchronous", list(Synchronous))
def test_durability_is_as_chosen(tmp_path: Path, synchronous: Synchronous) -> None:
    database = Database(tmp_path / "state.db", synchronous=synchronous)
    (found,) = database._connection.execute("PRAGMA synchronous").fetchone()
    assert found == {Synchronous.NORMAL: 1, Synchronous.FULL: 2}[synchronous]
    database.close()
