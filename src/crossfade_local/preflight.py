"""What this machine lets a cluster be: as root, or rootless with many uids or with one; and what is missing for any."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from crossfade_local import mount_trees, subordinate_ids
from crossfade_local.subordinate_ids import Lack

_PROGRAMS: Final = {"nft": "nftables", "iptables-restore": "iptables", "unshare": "util-linux", "setsid": "util-linux"}
_PLACES: Final = ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/local/bin")
_NAMESPACES: Final = ("--mount", "--net", "--pid", "--uts", "--ipc")


@dataclass(frozen=True)
class SharedUser:
    """What follows where containers cannot have uids of their own, all being one user."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Every container gets it."""
    env_by_uid: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    """Those get it that would run as this user."""
    consequence: str = ""
    """For people; completes "containers share one user, …"."""


class Mode(Enum):
    """How the node gets its namespaces; the value is what people read."""

    ROOT = "as root"
    ROOTLESS = "rootless"
    SINGLE_UID = "rootless with a single uid"

    def explain(self, shared_user: SharedUser, lack: Lack | None = None) -> str:
        """`lack` is what keeps it from having many uids."""
        if self is Mode.SINGLE_UID:
            effect = f", {shared_user.consequence}" if shared_user.consequence else ""
            how = "" if lack is None else f" ({': '.join(filter(None, lack))})"
            return f"running {self.value}: containers share one user{effect}{how}"
        if self is Mode.ROOT:
            how, root = "as root", "this machine's root with fewer capabilities: it writes what hostPath volumes name"
        else:
            how, root = "rootless with subordinate uids", "you on this machine, and no more"
        return f"running {how}: containers run as the users that their specs name; root in one is {root}"


class Chosen(NamedTuple):
    """`lack`: why it is not the mode with more users."""

    mode: Mode
    lack: Lack | None = None


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


def choose_mode() -> Chosen:
    """Tries what would be used. Raises NotPossibleError."""
    if missing := missing_programs():
        raise NotPossibleError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed; "
            f"install the package{'s' if len(missing) > 1 else ''} {' '.join(sorted(set(missing.values())))}"
        )
    if not mount_trees.are_possible():
        raise NotPossibleError(
            f"the kernel is Linux {os.uname().release}; the volumes of pods need 5.12 or newer: start a newer one, or "
            "run Crossfade in a virtual machine that has one"
        )
    modes, lack = _modes()
    problems = []
    for mode in modes:
        problem = problem_in(mode, ["nft", "add", "table", "ip", "crossfade"])
        if not problem:
            return Chosen(mode, lack if mode is Mode.SINGLE_UID else None)
        problems.append(problem)
        lack = lack or Lack(f"subordinate ids cannot be mapped here: {problem.splitlines()[-1]}")
    raise NotPossibleError(_advice(modes, problems[-1]))


def unshare_command(mode: Mode) -> list[str]:
    """Its program runs in a cluster's namespaces and dies with it."""
    return [*user_command(mode)[:-1], *_NAMESPACES, "--fork", "--kill-child", "--mount-proc", "--"]


def user_command(mode: Mode) -> list[str]:
    """Its program runs with a cluster's users."""
    return [shutil.which("unshare", path=search_path()) or "unshare", *_USER_OPTIONS[mode], "--"]


def die_with_parent() -> None:
    """For a child, before its program: it is killed when the thread that started it ends."""
    ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)


def _modes() -> tuple[list[Mode], Lack | None]:
    """Those to be tried, the best first, and what keeps a better one out."""
    if os.geteuid() == 0:
        return [Mode.ROOT], None
    lack = subordinate_ids.lack(search_path())
    return ([Mode.ROOTLESS, Mode.SINGLE_UID] if lack is None else [Mode.SINGLE_UID]), lack


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
