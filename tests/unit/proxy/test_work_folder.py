"""Temporary folders of processes that end well, are killed, or start at the same moment."""

import os
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossfade.proxy.work_folder import work_folder

HOLD = """
import sys
from crossfade.proxy.work_folder import work_folder
with work_folder("crossfade-test-") as folder:
    (folder / "token.json").write_text("secret")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def names(parent: Path) -> set[str]:
    return {path.name for path in parent.iterdir()}


def test_it_is_private_and_gone_at_the_end(parent: Path) -> None:
    with work_folder("crossfade-test-") as folder:
        assert folder.parent == parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert names(parent) == set()


def test_what_a_killed_process_left_goes_at_the_next_start(parent: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env=dict(os.environ, TMPDIR=str(parent)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        left = Path(holder.stdout.readline().strip())
        with work_folder("crossfade-test-") as folder:
            assert names(parent) == {left.name, folder.name}
        holder.kill()
    assert (left / "token.json").exists()
    with work_folder("crossfade-test-") as folder:
        assert names(parent) == {folder.name}


def test_what_is_not_such_a_folder_stays(parent: Path) -> None:
    (parent / "elsewhere").mkdir()
    (parent / "elsewhere" / "precious").touch()
    (parent / "crossfade-test-link").symlink_to(parent / "elsewhere")
    (parent / "crossfade-test-file").touch()
    (parent / "crossfade-other-1").mkdir()
    before = names(parent)
    with work_folder("crossfade-test-"):
        pass
    assert names(parent) == before
    assert (parent / "elsewhere" / "precious").exists()


def test_many_start_at_once(parent: Path) -> None:
    def start(number: int) -> str:
        with work_folder("crossfade-test-") as folder:
            (folder / "mine").write_text(str(number))
            return (folder / "mine").read_text()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(start, range(200))) == [str(number) for number in range(200)]
    assert names(parent) == set()
