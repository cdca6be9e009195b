"""What a former node could not take away any more: folders of pods that nobody knows."""

import contextlib
import logging
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_PLACES: Final = ("pods", "logs")


def folders_of_others(directory: Path, known: Collection[str]) -> list[Path]:
    """Below the data directory, one for each uid; those whose uid is not known."""
    found: list[Path] = []
    for place in _PLACES:
        with contextlib.suppress(OSError):
            found += [one for one in (directory / place).iterdir() if one.is_dir() and one.name not in known]
    return found


def remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    if folders:
        log.info("node.leftovers_removed", extra={"fields": {"folders": len(folders)}})
