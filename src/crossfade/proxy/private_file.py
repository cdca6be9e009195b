"""Files that nobody else reads. Standard library only."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Appears whole or not at all, readable by the owner only."""
    draft = path.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
        file.write(content)
    draft.rename(path)
