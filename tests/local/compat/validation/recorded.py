"""What a Kubernetes 1.36 answered, and where the embedded cluster is known to answer otherwise."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

RECORDED: Final = Path(__file__).parent / "recorded.jsonl.gz"
DIFFERENT: Final = Path(__file__).parent / "different.txt"


def recorded() -> dict[str, str]:
    """By the names of the cases."""
    return dict(json.loads(line) for line in gzip.decompress(RECORDED.read_bytes()).splitlines())


def record(verdicts: Mapping[str, str]) -> None:
    lines = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in verdicts.items())
    RECORDED.write_bytes(gzip.compress(lines.encode(), mtime=0))


def different() -> frozenset[str]:
    """Names of cases."""
    return frozenset(DIFFERENT.read_text().splitlines())


def note_different(verdicts: Mapping[str, str]) -> int:
    """Returns how many."""
    wanted = recorded()
    names = [name for name, verdict in verdicts.items() if verdict != wanted.get(name, verdict)]
    DIFFERENT.write_text("".join(f"{name}\n" for name in names))
    return len(names)
