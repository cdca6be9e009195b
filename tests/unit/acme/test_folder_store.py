"""Entries in files that only their user can read."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from crossfade.acme.folder_store import FolderStore, read_folder
from crossfade.acme.store import StoreError


class Seen:
    def __init__(self) -> None:
        self.entries: list[dict[str, bytes]] = []
        self.troubles: list[str] = []

    async def change(self, entries: Mapping[str, bytes]) -> None:
        self.entries.append(dict(entries))


def store(folder: Path) -> tuple[FolderStore, Seen]:
    seen = Seen()
    return FolderStore(folder, on_change=seen.change, on_trouble=seen.troubles.append), seen


async def test_what_is_written_is_there_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "acme"
    first, seen = store(folder)
    assert dict(await first.read()) == {}
    await first.write({"account.1": b"key", "certificate.a.test": b"one", "challenge.t": b"t.x"})
    await first.write({"certificate.a.test": b"two", "challenge.t": None, "failure.b.test": None})
    assert seen.entries[1] == {"account.1": b"key", "certificate.a.test": b"one", "challenge.t": b"t.x"}
    assert seen.entries[2:] == [{"account.1": b"key", "certificate.a.test": b"two"}]
    second, _ = store(folder)
    assert dict(await second.read()) == {"account.1": b"key", "certificate.a.test": b"two"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "account.1": 0o600,
        "certificate.a.test": 0o600,
    }


async def test_files_that_others_could_have_written_are_passed_over(tmp_path: Path) -> None:
    for name, mode in (("account.1", 0o640), ("certificate.a.test", 0o600), ("certificate.b.test", 0o602)):
        (tmp_path / name).write_bytes(b"x")
        (tmp_path / name).chmod(mode)
    (tmp_path / "certificate.link").symlink_to(tmp_path / "certificate.a.test")
    (tmp_path / "certificate.folder").mkdir(0o700)
    (tmp_path / "notes.txt").write_text("mine")
    os.mkfifo(tmp_path / "failure.pipe", 0o600)
    (tmp_path / "failure.large").write_bytes(b"x" * ((1 << 20) + 1))
    (tmp_path / "failure.large").chmod(0o600)
    kept, seen = store(tmp_path)
    assert dict(await kept.read()) == {"certificate.a.test": b"x"}
    await kept.read()
    told = sorted(text.removeprefix(f"{tmp_path}/").partition(" ")[0] for text in seen.troubles)
    wrong = ["account.1", "certificate.b.test", "certificate.folder", "certificate.link", "failure.large"]
    assert told == [*wrong, "failure.pipe"]


async def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        kept, seen = store(folder)
        with pytest.raises(StoreError, match="cannot be read"):
            read_folder(folder)
        with pytest.raises(StoreError, match="cannot be"):
            await kept.write({"account.1": b"key"})
        assert seen.entries == []
