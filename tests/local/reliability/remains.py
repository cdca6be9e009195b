"""What of a cluster there is on the machine: processes, cables, rules, mounts. After any trouble as much as before.

Also for an ordinary user, whose containers' processes may belong to subordinate ids: what only their owner may read is
read from inside their user namespace.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from crossfade_local.preflight import search_path

PARTS = ("crossfade_local.apiserver", "crossfade_local.node", "crossfade_local.init")


class Remains(NamedTuple):
    parts: tuple[int, ...]
    """How many processes of each of `PARTS`."""
    programs: int
    """Processes in pods' network namespaces."""
    cables: int
    routes: int
    rules: int
    mounts: int
    """Of the data directory, in the node's mount namespace; the others there are the machine's."""
    host_mounts: int
    folders: int
    """Of pods, for volumes and for logs."""


class Living(NamedTuple):
    """A process, not whoever got its number later."""

    pid: int
    began: int

    @property
    def lives(self) -> bool:
        return _began(self.pid) == self.began


def processes(*words: str) -> list[int]:
    """Of all processes whose command line has every word."""
    return sorted(pid for pid, line in _command_lines() if all(word in line for word in words))


def started(*words: str) -> list[int]:
    """As `processes`, without what one of them is about to start, which until then has its command line."""
    lines = dict(_command_lines())
    found = sorted(pid for pid, line in lines.items() if all(word in line for word in words))
    return [pid for pid in found if lines.get(_parent_of(pid)) != lines[pid]]


def _parent_of(pid: int) -> int:
    """0 when it is gone."""
    try:
        return parent_of(pid)
    except OSError:
        return 0


def _command_lines() -> Iterator[tuple[int, str]]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                yield int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue


def children_of(ancestor: int, word: str = "") -> list[int]:
    """Its descendants whose command line has the word."""
    return [pid for pid in processes(word) if pid != ancestor and _descends(pid, ancestor)]


def parent_of(pid: int) -> int:
    """Raises OSError."""
    return int(_fields(pid)[1])


def living(pids: list[int]) -> list[Living]:
    return [Living(pid, began) for pid in pids if (began := _began(pid)) is not None]


def environment_of(pid: int) -> dict[str, str]:
    """What it was started with. Raises OSError."""
    path = Path(f"/proc/{pid}/environ")
    try:
        content = path.read_bytes()
    except PermissionError:
        content = _as_its_root(pid, "cat", str(path))
    entries = content.decode(errors="replace").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def descriptors_of(pid: int) -> int:
    """How many it has open. Raises OSError."""
    folder = f"/proc/{pid}/fd"
    try:
        return sum(1 for _ in Path(folder).iterdir())
    except PermissionError:
        return len(_as_its_root(pid, "ls", folder).split())


def _as_its_root(pid: int, *command: str) -> bytes:
    """Its output. Raises PermissionError where the process's user namespace is not the caller's to enter."""
    try:
        return _entered(pid, ("--user", "--preserve-credentials"), *command, check=True).stdout
    except subprocess.CalledProcessError as error:
        raise PermissionError(error.stderr.decode(errors="replace").strip()) from error


def _entered(
    pid: int, options: Sequence[str], *command: str, check: bool = False
) -> subprocess.CompletedProcess[bytes]:
    # An ordinary user's PATH is without the directories in which Debian has nft.
    path = search_path()
    environment = {**os.environ, "PATH": path}
    program = shutil.which("nsenter", path=path) or "nsenter"
    return subprocess.run(
        [program, "-t", str(pid), *options, *command], capture_output=True, check=check, timeout=20, env=environment
    )


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = parent_of(pid)
        except OSError:
            return False
    return False


def state_of(pid: int) -> str:
    """The letter of /proc (T: stopped); empty when it is gone."""
    try:
        return _fields(pid)[0]
    except OSError:
        return ""


def _began(pid: int) -> int | None:
    """None when it is gone or only waits to be collected."""
    try:
        fields = _fields(pid)
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


def _fields(pid: int) -> list[str]:
    """Of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _network_of(pid: int) -> str | None:
    """None when it is gone."""
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return None


def rules(node: int) -> str:
    """All of nftables in its network."""
    options = ("--user", "--net", "--preserve-credentials") if os.geteuid() else ("--net",)
    return _entered(node, options, "nft", "list", "ruleset").stdout.decode()


def node_of(data_dir: Path) -> int:
    """Raises ValueError while there is not one."""
    (node,) = started("crossfade_local.node", str(data_dir))
    return node


def remains(data_dir: Path) -> Remains:
    """Raises ValueError while there is not one node, OSError while it ends."""
    node = node_of(data_dir)
    seen = Path(f"/proc/{node}")
    own = _network_of(node)
    return Remains(
        parts=tuple(len(started(part, str(data_dir))) for part in PARTS),
        programs=sum(_network_of(pid) not in (own, None) for pid in children_of(node)),
        cables=(seen / "net/dev").read_text().count("veth"),
        routes=len((seen / "net/route").read_text().splitlines()),
        rules=len(rules(node).splitlines()),
        mounts=(seen / "mountinfo").read_text().count(str(data_dir)),
        host_mounts=Path("/proc/self/mountinfo").read_text().count(str(data_dir)),
        folders=sum(len([one for one in (data_dir / name).iterdir() if one.is_dir()]) for name in ("pods", "logs")),
    )
