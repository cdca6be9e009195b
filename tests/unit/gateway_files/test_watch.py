"""What the kernel tells of a directory: names at once, everything when it cannot be told apart."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import TypeVar

import pytest

from crossfade.gateway_files.watch import LOOK_AGAIN_S, FolderWatch

T = TypeVar("T")


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[FolderWatch]:
    async with FolderWatch(tmp_path) as running:
        yield running


async def soon(waiting: Awaitable[T]) -> T:
    """Long before everything would be looked at anyway."""
    async with asyncio.timeout(LOOK_AGAIN_S / 2):
        return await waiting


def replaced(path: Path, text: str = "a: 1") -> None:
    draft = path.with_name(".draft")
    draft.write_text(text)
    draft.rename(path)


async def test_files_that_are_written_renamed_linked_and_removed(watch: FolderWatch, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1")
    assert await soon(watch.next()) == {"a.yaml"}
    replaced(tmp_path / "b.json")
    assert await soon(watch.next()) == {"b.json"}
    (tmp_path / "c.yml").symlink_to("elsewhere")
    assert await soon(watch.next()) == {"c.yml"}
    (tmp_path / "d.yaml").hardlink_to(tmp_path / "a.yaml")
    assert "d.yaml" in (await soon(watch.next()) or ())
    (tmp_path / "a.yaml").rename(tmp_path / "e.yaml")
    assert await soon(watch.next()) == {"a.yaml", "e.yaml"}
    (tmp_path / "b.json").unlink()
    assert await soon(watch.next()) == {"b.json"}
    (tmp_path / "e.yaml").chmod(0)
    assert await soon(watch.next()) == {"e.yaml"}


async def test_other_files_wake_nobody(watch: FolderWatch, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a")
    (tmp_path / ".hidden.yaml").write_text("a")
    (tmp_path / "a.yaml").write_text("a")
    assert await soon(watch.next()) == {"a.yaml"}


async def test_a_file_counts_when_it_is_complete(watch: FolderWatch, tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("w") as file:
        file.write("a: [")
        file.flush()
        (tmp_path / "b.yaml").write_text("b")
        assert await soon(watch.next()) == {"b.yaml"}
    assert await soon(watch.next()) == {"a.yaml"}


async def test_bursts_come_together(watch: FolderWatch, tmp_path: Path) -> None:
    names = {f"{number}.yaml" for number in range(100)}
    for name in names:
        replaced(tmp_path / name)
    assert await soon(watch.next()) == names


async def test_what_happens_meanwhile_is_not_lost(watch: FolderWatch, tmp_path: Path) -> None:
    replaced(tmp_path / "a.yaml")
    assert await soon(watch.next()) == {"a.yaml"}
    replaced(tmp_path / "b.yaml")
    replaced(tmp_path / "c.yaml")
    assert await soon(watch.next()) == {"b.yaml", "c.yaml"}


async def test_a_mounted_config_map_is_looked_at_whole(watch: FolderWatch, tmp_path: Path) -> None:
    (tmp_path / "..new").symlink_to("..1")
    (tmp_path / "..new").rename(tmp_path / "..data")
    assert await soon(watch.next()) is None


async def test_files_behind_links_are_watched_where_they_are(
    watch: FolderWatch, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    watch.follow(frozenset({str(elsewhere), str(tmp_path), "/nowhere/at/all"}))
    (elsewhere / "a.yaml").write_text("a: 1")
    assert await soon(watch.next()) is None
    (tmp_path / "b.yaml").write_text("b: 1")
    assert await soon(watch.next()) == {"b.yaml"}


async def test_a_directory_that_is_replaced_is_watched_again(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    folder.mkdir()
    async with FolderWatch(folder) as watch:
        folder.rename(tmp_path / "old")
        folder.mkdir()
        assert await soon(watch.next()) is None
        (folder / "a.yaml").write_text("a: 1")
        assert await soon(watch.next()) == {"a.yaml"}


async def test_without_the_kernels_help_everything_is_looked_at_each_second(tmp_path: Path) -> None:
    async with FolderWatch(tmp_path / "missing") as watch:
        assert watch.trouble == os.strerror(2)
        assert await soon(watch.next()) is None
