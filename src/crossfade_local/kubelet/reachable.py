"""Under which names the files are known that no pod may reach: pure, from the kernel's own tables."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Final, NamedTuple

_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_ROOT: Final = PurePosixPath("/")


class Mounted(NamedTuple):
    """One line of /proc/self/mountinfo: `root`, a path of the file system `device`, is what `point` shows."""

    device: str
    root: PurePosixPath
    point: PurePosixPath


def parse_mounts(mountinfo: str) -> list[Mounted]:
    """In the kernel's order: of two on one place the later one is seen."""
    rows = (line.split() for line in mountinfo.splitlines())
    return [Mounted(row[2], _path(row[3]), _path(row[4])) for row in rows if len(row) > 4]


def names_of(directory: PurePosixPath, mounts: Iterable[Mounted]) -> list[PurePosixPath]:
    """Every place where the directory, or a part of it, is: bind mounts and second mounts of its file system too."""
    known = list(mounts)
    above = [one for one in known if _is_within(directory, one.point)]
    if not above:
        return [directory]
    home = max(reversed(above), key=lambda one: len(one.point.parts))
    inside = home.root / directory.relative_to(home.point)
    found = {directory}
    for one in known:
        if one.device != home.device:
            continue
        if _is_within(inside, one.root):
            found.add(one.point / inside.relative_to(one.root))
        elif _is_within(one.root, inside):
            found.add(one.point)
    return sorted(found)


def parse_sockets(table: str) -> list[PurePosixPath]:
    """Sockets with a file, from /proc/net/unix. One bound to a relative path has a name that says too little."""
    found = set()
    for line in table.splitlines()[1:]:
        words = line.split(maxsplit=7)
        if len(words) > 7 and words[7].startswith("/"):
            found.add(PurePosixPath(words[7]))
    return sorted(found)


def outermost(paths: Iterable[PurePosixPath]) -> list[PurePosixPath]:
    """Without those that lie within another one, and never the root itself."""
    kept: list[PurePosixPath] = []
    for path in sorted(set(paths)):
        if path != _ROOT and not any(_is_within(path, one) for one in kept):
            kept.append(path)
    return kept


def _is_within(path: PurePosixPath, directory: PurePosixPath) -> bool:
    return path == directory or directory in path.parents


def _path(field: str) -> PurePosixPath:
    """Spaces, tabs, line ends and backslashes are octal numbers there."""
    return PurePosixPath(_ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), field))
