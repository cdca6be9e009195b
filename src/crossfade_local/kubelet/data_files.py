"""Writes files with data of the API as Kubernetes does: a new directory beside the old one, then one rename of the
`..data` link, so that readers see all of a version or none.
"""

import os
import shutil
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

DEFAULT_MODE: Final = 0o644
# What a pod's fsGroup may do with files that are not to be written, and with directories.
_GROUP_READS: Final = 0o440
_GROUP_ENTERS: Final = stat.S_ISGID | 0o550


class DataFile(NamedTuple):
    path: str
    content: bytes
    mode: int = DEFAULT_MODE
    owner: int = 0


def write_atomically(place: Path, files: tuple[DataFile, ...], *, group: int | None = None) -> None:
    """Shows the files below `place`, all of them at one moment, and takes the former ones away. `group` can read them.

    Raises OSError."""
    place.mkdir(parents=True, exist_ok=True)
    version = Path(tempfile.mkdtemp(prefix=datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S."), dir=place))
    try:
        _fill(version, files)
        if group is not None:
            for path in (place, version, *version.rglob("*")):
                _give(path, group)
    except BaseException:
        shutil.rmtree(version, ignore_errors=True)
        raise
    link = place / "..data"
    former = place / link.readlink() if link.is_symlink() else None
    fresh = place / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.replace(link)
    _link_names(place, {Path(file.path).parts[0] for file in files})
    if former:
        shutil.rmtree(former, ignore_errors=True)


def _fill(version: Path, files: tuple[DataFile, ...]) -> None:
    version.chmod(0o755)
    for file in files:
        target = version / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.content)
        target.chmod(file.mode)
        if file.owner:
            os.chown(target, file.owner, -1)


def _give(path: Path, group: int) -> None:
    os.chown(path, -1, group)
    found = path.stat()
    path.chmod(stat.S_IMODE(found.st_mode) | (_GROUP_ENTERS if stat.S_ISDIR(found.st_mode) else _GROUP_READS))


def _link_names(place: Path, names: set[str]) -> None:
    for name in names:
        if not (place / name).is_symlink():
            (place / name).symlink_to(Path("..data", name))
    for entry in place.iterdir():
        if entry.is_symlink() and not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
