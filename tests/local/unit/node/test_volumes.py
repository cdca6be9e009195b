"""Volumes on disk."""

import os
import stat
from pathlib import Path

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.data_files import DataFile, write_atomically
from crossfade_local.kubelet.volumes import VolumeError, common_user, host_path, select_items


def test_new_version_replaces_the_old_one_whole(tmp_path: Path) -> None:
    place = tmp_path / "volume"
    write_atomically(place, (DataFile("a", b"1"), DataFile("deep/b", b"2")))
    first = (place / "..data").readlink()
    write_atomically(place, (DataFile("a", b"3", 0o600),))
    assert (place / "a").read_bytes() == b"3"
    assert (place / "a").stat().st_mode & 0o777 == 0o600
    assert not (place / "deep").exists()
    assert not (place / first).exists()


def test_a_group_reads_what_only_its_owner_could(tmp_path: Path) -> None:
    place = tmp_path / "volume"
    write_atomically(place, (DataFile("deep/a", b"1", 0o400), DataFile("b", b"2", 0o600)), group=os.getgid())
    found = {path: stat.S_IMODE((place / path).stat().st_mode) for path in (".", "deep", "deep/a", "b")}
    assert found == {".": 0o2755, "deep": 0o2755, "deep/a": 0o440, "b": 0o640}


@pytest.mark.parametrize(
    ("pod", "containers", "user"),
    [
        (None, [None], None),
        (1000, [None, None], 1000),
        (1000, [None, 0], None),
        (None, [1000, 1000], 1000),
        (None, [1000, None], None),
    ],
)
def test_the_user_that_all_containers_have(pod: int | None, containers: list[int | None], user: int | None) -> None:
    def context(uid: int | None) -> JsonObject:
        return {} if uid is None else {"securityContext": {"runAsUser": uid}}

    init, *others = map(context, containers)
    assert common_user({**context(pod), "initContainers": [init], "containers": others or [init]}) == user


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
