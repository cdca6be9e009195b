"""Secrets at rest: nothing readable in the file, and refusals that say what to do."""

import json
import os
import sqlite3
from pathlib import Path

import pytest

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.sealed_database import KEY_FILE, SealedDatabase
from crossfade_local.apiserver.state.sealing import Seal, SealError, is_sealed
from crossfade_local.apiserver.state.storage import Storage

PASSWORD = "correct horse battery staple"
SECRET = {"metadata": {"name": "s", "namespace": "n"}, "stringData": {"password": PASSWORD}}


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


async def store(path: Path) -> None:
    storage = Storage(SealedDatabase(path))
    await storage.create("/secrets", "n", "s", json.loads(json.dumps(SECRET)))
    await storage.create("/configmaps", "n", "c", {"metadata": {"name": "c"}, "data": {"a": "readable"}})
    storage.close()


def stored(path: Path) -> object:
    storage = Storage(SealedDatabase(path))
    try:
        found = storage.get("/secrets", "n", "s")
        assert found is not None
        return found.object["stringData"]
    finally:
        storage.close()


async def test_a_secret_is_unreadable_in_the_file_and_read_again(tmp_path: Path) -> None:
    await store(tmp_path / "state.db")
    content = files(tmp_path)
    assert PASSWORD.encode() not in content
    assert b"readable" in content
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert stored(tmp_path / "state.db") == SECRET["stringData"]


async def test_plain_records_of_a_former_version_leave_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    plain = Storage(Database(path))
    await plain.create("/secrets", "n", "s", json.loads(json.dumps(SECRET)))
    plain.close()
    assert PASSWORD.encode() in files(tmp_path)
    SealedDatabase(path).close()
    assert PASSWORD.encode() not in files(tmp_path)
    assert stored(path) == SECRET["stringData"]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "secrets.key is missing"),
        (b"", "holds no key"),
        (b"!!!", "holds no key"),
        (b"c2hvcnQ=\n", "holds no key"),
        (b"A" * 43 + b"=\n", "but Secrets are encrypted with key"),
    ],
)
async def test_a_key_that_is_missing_or_another_is_named_with_the_way_out(
    tmp_path: Path, key: bytes | None, said: str
) -> None:
    path = tmp_path / "state.db"
    await store(path)
    (tmp_path / KEY_FILE).unlink()
    if key is not None:
        (tmp_path / KEY_FILE).write_bytes(key)
    with pytest.raises(SealError, match=said) as raised:
        Storage(SealedDatabase(path))
    assert KEY_FILE in str(raised.value)
    assert "empty cluster" in str(raised.value)
    assert (tmp_path / KEY_FILE).exists() == (key is not None)


async def test_records_that_were_changed_or_exchanged_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    await store(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE objects SET name = 'other' WHERE bucket = '/secrets'")
    with pytest.raises(SealError, match="Secret n/other was changed"):
        Storage(SealedDatabase(path))


def test_a_record_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    seal, place = Seal(os.urandom(32), tmp_path), ("/secrets", "n", "s")
    record = seal.close(b"{}", place)
    assert is_sealed(record)
    assert seal.open(record, place) == b"{}"
    assert record != seal.close(b"{}", place)
    for length in range(8, len(record)):
        with pytest.raises(SealError):
            seal.open(record[:length], place)
