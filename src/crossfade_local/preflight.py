"""What this machine lets a cluster be: as root, or rootless with many uids or with one; and what is missing for any."""

import ctypes
import getpass
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

_PROGRAMS: Final = {"nft": "nftables", "iptables-restore": "iptables", "unshare": "util-linux", "setsid": "util-linux"}
_PLACES: Final = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_NAMESPACES: Final = ("--mount", "--net", "--pid", "--uts", "--ipc")


@dataclass(frozen=True)
class SharedUser:
    """What follows where containers cannot have uids of their own, all being one user."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Every container gets it."""
    consequence: str = ""
    """For people; completes "containers share one user, …"."""


class Mode(Enum):
    """How the node gets its namespaces; the value is what people read."""

    ROOT = "as root"
    ROOTLESS = "rootless"
    SINGLE_UID = "rootless with a single uid"

    @property
    def many_users(self) -> bool:
        return self is not Mode.SINGLE_UID

    def explain(self, shared_user: SharedUser) -> str:
        if self is Mode.SINGLE_UID:
            effect = f", {shared_user.consequence}" if shared_user.consequence else ""
            return f"running {self.value}: containers share one user{effect} (install the package uidmap for that)"
        if self is Mode.ROOT:
            how, root = "as root", "this machine's root with fewer capabilities: it writes what hostPath volumes name"
        else:
            how, root = "rootless with subordinate uids", "you on this machine, and no more"
        return f"running {how}: containers run as the users that their specs name; root in one is {root}"


_USER_OPTIONS: Final = {
    Mode.ROOT: (),
    Mode.ROOTLESS: ("--user", "--map-root-user", "--map-auto"),
    Mode.SINGLE_UID: ("--user", "--map-root-user"),
}


class NotPossibleError(Exception):
    """The machine cannot run a cluster; one sentence says what is missing and how to get it."""


def search_path() -> str:
    """PATH with the directories of system programs, which ordinary users often lack."""
    return os.pathsep.join(dict.fromkeys([*os.environ.get("PATH", "").split(os.pathsep), *_PLACES]))


def missing_programs() -> dict[str, str]:
    """Those that no cluster can do without, each with Debian's package of it."""
    return {name: package for name, package in _PROGRAMS.items() if not shutil.which(name, path=search_path())}


def choose_mode() -> Mode:
    """Tries what would be used. Raises NotPossibleError."""
    if missing := missing_programs():
        raise NotPossibleError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; "
            f"install the package{'s' if len(missing) > 1 else ''} {' '.join(sorted(set(missing.values())))}"
        )
    modes = [Mode.ROOT] if os.geteuid() == 0 else _rootless_modes()
    problems = []
    for mode in modes:
        problem = problem_in(mode, ["nft", "add", "table", "ip", "crossfade"])
        if not problem:
            return mode
        problems.append(problem)
    raise NotPossibleError(_advice(modes, problems[-1]))


def unshare_command(mode: Mode) -> list[str]:
    """Its program runs in a cluster's namespaces and dies with it."""
    program = shutil.which("unshare", path=search_path()) or "unshare"
    return [program, *_USER_OPTIONS[mode], *_NAMESPACES, "--fork", "--kill-child", "--mount-proc", "--"]


def die_with_parent() -> None:
    """For a child, before its program: it is killed when the thread that started it ends."""
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)


def _rootless_modes() -> list[Mode]:
    if shutil.which("newuidmap", path=search_path()) and _has_subordinate_ids():
        return [Mode.ROOTLESS, Mode.SINGLE_UID]
    return [Mode.SINGLE_UID]


def _has_subordinate_ids() -> bool:
    names = {getpass.getuser(), str(os.getuid())}
    try:
        lines = [Path(file).read_text(encoding="utf-8").splitlines() for file in ("/etc/subuid", "/etc/subgid")]
    except OSError:
        return False
    return all(any(line.split(":")[0] in names for line in file) for file in lines)


def problem_in(mode: Mode, command: Sequence[str], *, stdin: str = "") -> str:
    """What went wrong, or nothing, when the command ran in namespaces that were made for it."""
    program = shutil.which(command[0], path=search_path()) or command[0]
    done = subprocess.run(
        [*unshare_command(mode), program, *command[1:]], input=stdin, capture_output=True, text=True, check=False
    )
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""


def _advice(modes: list[Mode], problem: str) -> str:
    if modes == [Mode.ROOT]:
        return (
            f"this machine does not let root make namespaces ({problem}): inside a container, start that one with "
            "--privileged"
        )
    return (
        f"neither root nor unprivileged user namespaces ({problem}): run `sudo crossfade up`, or allow them with "
        "`sudo sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0` "
        "(whichever of the two settings this machine has)"
    )
