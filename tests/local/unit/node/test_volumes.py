"""Volumes on disk."""

from pathlib import Path

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.volumes import DataFile, VolumeError, host_path, select_items, write_atomically


def test_new_version_replaces_the_old_one_whole(tmp_path: Path) -> None:
    place = tmp_path / "volume"
    write_atomically(place, (DataFile("a", b"1"), DataFile("deep/b", b"2")))
    first = (place / "..data").readlink()
    write_atomically(place, (DataFile("a", b"3", 0o600),))
    assert (place / "a").read_bytes() == b"3"
    assert (place / "a").stat().st_mode & 0o777 == 0o600
    assert not (place / "deep").exists()
    assert not (place / first).exists()


DATA = {"a": b"1", "b": b"2"}


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ({}, [DataFile("a", b"1"), DataFile("b", b"2")]),
        ({"items": [{"key": "b", "path": "x/y", "mode": 0o400}]}, [DataFile("x/y", b"2", 0o400)]),
        ({"items": [{"key": "c", "path": "c"}], "optional": True}, []),
    ],
)
def test_chosen_items(source: JsonObject, files: list[DataFile]) -> None:
    assert select_items(DATA, source, mode=0o644, name="secret") == files


def test_missing_key() -> None:
    with pytest.raises(VolumeError, match="references non-existent key: c"):
        select_items(DATA, {"items": [{"key": "c", "path": "c"}]}, mode=0o644, name="secret")


@pytest.mark.parametrize(
    ("kind", "name", "works"),
    [
        ("", "there", True),
        ("", "absent", False),
        ("Directory", "there", True),
        ("File", "there", False),
        ("DirectoryOrCreate", "absent", True),
        ("FileOrCreate", "absent", True),
    ],
)
def test_host_paths(tmp_path: Path, kind: str, name: str, works: bool) -> None:
    (tmp_path / "there").mkdir()
    source = {"path": str(tmp_path / name), "type": kind}
    if works:
        assert host_path(source).exists()
    else:
        with pytest.raises(VolumeError, match="hostPath"):
            host_path(source)
