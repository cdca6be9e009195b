"""What of a cluster there is on the machine: processes, cables, rules, mounts. After any trouble as much as before."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PARTS = ("crossfade_local.apiserver", "crossfade_local.node", "crossfade_local.init")


class Remains(NamedTuple):
    parts: tuple[int, ...]
    """How many processes of each of `PARTS`."""
    programs: int
    """Containers' own."""
    cables: int
    routes: int
    rules: int
    mounts: int
    """Of the data directory, in the node's mount namespace; the others there are the machine's."""
    host_mounts: int


def processes(*words: str) -> list[int]:
    """Of all processes whose command line has every word."""
    return sorted(pid for pid, line in _command_lines() if all(word in line for word in words))


def _command_lines() -> Iterator[tuple[int, str]]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                yield int(process.name), (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue


def children_of(ancestor: int, word: str) -> list[int]:
    return [pid for pid in processes(word) if _descends(pid, ancestor)]


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def remains(data_dir: Path, program: str) -> Remains:
    """Raises ValueError while there is not one node, OSError while it ends."""
    (node,) = processes("crossfade_local.node", str(data_dir))
    seen = Path(f"/proc/{node}")
    rules = subprocess.run(
        ["nsenter", "-t", str(node), "-U", "-n", "--preserve-credentials", "nft", "list", "ruleset"]
        if os.geteuid()
        else ["nsenter", "-t", str(node), "-n", "nft", "list", "ruleset"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return Remains(
        parts=tuple(len(processes(part, str(data_dir))) for part in PARTS),
        programs=len(children_of(node, program)),
        cables=(seen / "net/dev").read_text().count("veth"),
        routes=len((seen / "net/route").read_text().splitlines()),
        rules=len(rules.stdout.splitlines()),
        mounts=(seen / "mountinfo").read_text().count(str(data_dir)),
        host_mounts=Path("/proc/self/mountinfo").read_text().count(str(data_dir)),
    )
