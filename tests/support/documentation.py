"""Reads the commands out of the documentation."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def commands_in(page: str) -> list[str]:
    """The lines after `$ ` in the page's `console` blocks, in order."""
    blocks = re.findall(r"^```console\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def files_in(page: str) -> dict[str, str]:
    """What the page tells people to save, by path: its `yaml` and `ini` blocks that begin with a path as a comment."""
    blocks = re.findall(r"^```(?:yaml|ini)\n(# (/\S+)\n.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return {path: content for content, path in blocks}
