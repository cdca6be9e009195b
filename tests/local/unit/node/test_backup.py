"""Saving a cluster's data directory and putting it back: what is in it, and what is refused."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.backup import BackupError, restore, save
from crossfade_local.data_dir import DataDir

BUCKET = "/configmaps"


@pytest.fixture
async def cluster(tmp_path: Path) -> DataDir:
    directory = DataDir(tmp_path / "data")
    directory.prepare()
    (directory.root / "pki").mkdir(mode=0o700)
    for name, content in (
        ("pki/ca.key", "key"),
        ("kubeconfig", "config"),
        ("run/up.json", "{}"),
        ("logs/node.log", ""),
    ):
        (directory.root / name).write_text(content)
    storage = Storage(Database(directory.root / "state.db"))
    await storage.create(BUCKET, "ns", "a", {"metadata": {"name": "a"}})
    storage.close()
    return directory


async def test_saved_while_it_is_written_to(cluster: DataDir, tmp_path: Path) -> None:
    storage = Storage(Database(cluster.root / "state.db"))
    await storage.create(BUCKET, "ns", "b", {"metadata": {"name": "b"}})
    assert save(cluster, tmp_path / "saved.tar.gz") == ""
    await storage.create(BUCKET, "ns", "late", {"metadata": {"name": "late"}})
    storage.close()
    again = DataDir(tmp_path / "again")
    restore(again, tmp_path / "saved.tar.gz")
    put_back = Storage(Database(again.root / "state.db"))
    assert [stored.key[1] for stored in put_back.scan(BUCKET)] == ["a", "b"]
    put_back.close()
    assert_restored(again, tmp_path)


def assert_restored(again: DataDir, folder: Path) -> None:
    assert (again.root / "pki" / "ca.key").read_text() == "key"
    assert sorted(path.name for path in again.root.iterdir() if "state.db-" not in path.name) == [
        "kubeconfig",
        "pki",
        "state.db",
    ]
    modes = {path.stat().st_mode & 0o777 for path in (again.root / "pki" / "ca.key", folder / "saved.tar.gz")}
    assert modes == {0o600}
    assert again.root.stat().st_mode & 0o777 == 0o700
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_files_of_volumes_are_told(cluster: DataDir, tmp_path: Path) -> None:
    (cluster.root / "volumes" / "claim").mkdir()
    assert f"not in it: copy {cluster.root / 'volumes'}" in save(cluster, tmp_path / "saved.tar.gz")
    restore(DataDir(tmp_path / "new"), tmp_path / "saved.tar.gz")
    assert not (tmp_path / "new" / "volumes").exists()


def test_what_cannot_be_saved(cluster: DataDir, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no cluster in"):
        save(DataDir(tmp_path / "none"), tmp_path / "saved.tar.gz")
    (tmp_path / "taken").touch()
    with pytest.raises(BackupError, match="exists already"):
        save(cluster, tmp_path / "taken")
    with pytest.raises(BackupError, match="cannot write"):
        save(cluster, tmp_path / "missing" / "saved.tar.gz")
    content = bytearray((cluster.root / "state.db").read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (cluster.root / "state.db").write_bytes(content)
    with pytest.raises(BackupError, match="cannot be read"):
        save(cluster, tmp_path / "saved.tar.gz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "taken"]


def _text(path: Path) -> None:
    path.write_text("no archive")


def _archive(*names: str, kind: bytes = tarfile.REGTYPE) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with tarfile.open(path, "w:gz") as tar:
            for name in names:
                member = tarfile.TarInfo(name)
                member.type, member.linkname = kind, "/etc/passwd"
                member.size = 3 if kind == tarfile.REGTYPE else 0
                tar.addfile(member, io.BytesIO(b"abc"))

    return make


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_text, "is no back-up of a cluster: file could not be opened successfully$"),
        (_archive("kubeconfig"), r"it has no state\.db"),
        (_archive("../evil", "state.db"), r"it has the member '\.\./evil'"),
        (_archive("/tmp/evil", "state.db"), "it has the member '/tmp/evil'"),
        (_archive("pki", kind=tarfile.SYMTYPE), "'pki' is no plain file"),
        (_archive("state.db"), "is damaged"),
        (lambda _path: None, "cannot put back .* No such file"),
    ],
)
def test_other_archives_are_refused_and_leave_nothing(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path / "saved.tar.gz")
    with pytest.raises(BackupError, match=reason):
        restore(DataDir(tmp_path / "new"), tmp_path / "saved.tar.gz")
    assert [path.name for path in tmp_path.iterdir() if path.name != "saved.tar.gz"] == []


def test_a_cluster_is_never_written_over(cluster: DataDir, tmp_path: Path) -> None:
    save(cluster, tmp_path / "saved.tar.gz")
    with pytest.raises(BackupError, match="is not empty"):
        restore(cluster, tmp_path / "saved.tar.gz")
    (tmp_path / "empty").mkdir()
    restore(DataDir(tmp_path / "empty"), tmp_path / "saved.tar.gz")
    assert (tmp_path / "empty" / "kubeconfig").exists()
