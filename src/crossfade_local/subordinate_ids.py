"""The further ids (subuid(5)) of who starts a cluster: whether there are any, and the command that gives some."""

import os
import pwd
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

FILES: Final = (Path("/etc/subuid"), Path("/etc/subgid"))
_COUNT: Final = 65_536
# What Debian's useradd begins with.
_FIRST: Final = 100_000


class Lack(NamedTuple):
    """Why containers cannot have users of their own; `remedy` is a command for a shell, or nothing."""

    reason: str
    remedy: str = ""


def lack(search_path: str) -> Lack | None:
    """None where nothing is known to be missing; whether it works, only a try can tell."""
    if not shutil.which("newuidmap", path=search_path) or not shutil.which("newgidmap", path=search_path):
        return Lack("newuidmap is not installed", "sudo apt-get install uidmap")
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return Lack(f"uid {os.getuid()} has no name in /etc/passwd, and newuidmap serves only users who have one")
    return lack_of(name, os.getuid(), [_lines(file) for file in FILES])


def lack_of(name: str, uid: int, files: Iterable[list[str]]) -> Lack | None:
    """`files` are the lines of /etc/subuid and of /etc/subgid."""
    known = [list(map(_parsed, lines)) for lines in files]
    owners = (name, str(uid))
    if all(any(owner in owners and count > 0 for owner, _, count in file) for file in known):
        return None
    taken = max((first + count for file in known for _, first, count in file), default=0)
    first = max(_FIRST, -(-(taken - _FIRST) // _COUNT) * _COUNT + _FIRST)
    ids = f"{first}-{first + _COUNT - 1}"
    reason = f"{name} has no subordinate ids in /etc/subuid and /etc/subgid"
    return Lack(reason, f"sudo usermod --add-subuids {ids} --add-subgids {ids} {name}")


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _parsed(line: str) -> tuple[str, int, int]:
    """Owner, first id, count; a line that cannot be read gives nobody anything."""
    owner, _, rest = line.partition(":")
    first, _, count = rest.partition(":")
    return (owner, int(first), int(count)) if first.isdecimal() and count.strip().isdecimal() else ("", 0, 0)
