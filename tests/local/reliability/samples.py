"""What a cluster holds at one moment: each process's memory, descriptors and threads, and what there is of all."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.local.reliability.remains import PARTS, Living, children_of, descriptors_of, environment_of, living, remains


class Key(NamedTuple):
    """`owner` is empty for the cluster as a whole."""

    owner: str
    kind: str


def sample(data_dir: Path, up: int) -> dict[Key, float]:
    """Raises OSError and ValueError when something ends meanwhile."""
    found = dict(_of_cluster(data_dir))
    for process in living([up, *children_of(up)]):
        name = f"{_name_of(process.pid)} {process.pid}"
        for kind, value in _of_process(process):
            found[Key(name, kind)] = value
    return found


def _of_cluster(data_dir: Path) -> Iterator[tuple[Key, float]]:
    seen = remains(data_dir)._asdict()
    for kind in ("programs", "cables", "routes", "rules", "mounts", "host_mounts", "folders"):
        yield Key("", kind), seen[kind]
    yield Key("", "files"), sum(1 for _ in data_dir.rglob("*"))
    yield Key("", "database"), sum(path.stat().st_size for path in data_dir.glob("state.db*"))


def _of_process(process: Living) -> Iterator[tuple[str, float]]:
    folder = Path(f"/proc/{process.pid}")
    yield "memory", memory_of(process.pid)
    yield "descriptors", descriptors_of(process.pid)
    yield "threads", sum(1 for _ in (folder / "task").iterdir())


def memory_of(pid: int) -> int:
    """Bytes of anonymous pages, shared ones by their share. Those of files depend on who else maps them."""
    return int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("\nPss_Anon:")[1].split()[0]) * 1024


def _name_of(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    part = next((part.rpartition(".")[2] for part in PARTS if part in words), "")
    if part:
        return "unshare" if words[0].endswith("unshare") else part
    if "controller" in words:
        return f"controller {words[words.index('--role') + 1]}"
    node = environment_of(pid).get("APPMESH_VIRTUAL_NODE_NAME", "").rpartition("/")[2]
    return " ".join(filter(None, (Path(words[0]).name, node)))
