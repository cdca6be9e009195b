"""Places below a directory that no name leads out of."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossfade_local.mount_trees import leads_out, open_or_make_beneath


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def test_what_is_made_has_the_mode_of_the_volume(tmp_path: Path, volume: int) -> None:
    tmp_path.chmod(0o2777)
    os.close(open_or_make_beneath(volume, "pg/data"))
    for path in ("pg", "pg/data"):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o2777


def test_what_is_there_keeps_its_mode(tmp_path: Path, volume: int) -> None:
    (tmp_path / "pg").mkdir(mode=0o700)
    os.close(open_or_make_beneath(volume, "pg"))
    assert stat.S_IMODE((tmp_path / "pg").stat().st_mode) == 0o700


def test_nothing_leads_out(tmp_path: Path, volume: int) -> None:
    (tmp_path / "out").symlink_to("/tmp")
    with pytest.raises(OSError, match="open out/made") as caught:
        open_or_make_beneath(volume, "out/made")
    assert leads_out(caught.value)
