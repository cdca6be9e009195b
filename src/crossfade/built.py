"""Rust programs and libraries that `python -m generate` has built. Standard library only."""

from pathlib import Path
from typing import Final

GENERATED: Final = Path(__file__).resolve().parent / "_generated"


def newest_build(pattern: str, generated: Path = GENERATED) -> Path | None:
    """Older ones stay as long as something of this machine uses them."""
    builds = sorted(generated.glob(pattern), key=lambda path: path.stat().st_mtime_ns)
    return builds[-1] if builds else None


def launcher(generated: Path = GENERATED) -> Path:
    """The program that starts, watches and drains Envoy. Raises FileNotFoundError with the way out."""
    found = newest_build("crossfade_launcher-*", generated)
    if found is None:
        raise FileNotFoundError(f"no launcher in {generated}; run `python -m generate` in the source tree")
    return found
