"""Compiles Python ahead, which a read-only image cannot do for itself. Standard library only."""

import subprocess
import sys
from pathlib import Path


def compile_python(folder: Path, *, root: Path = Path("/")) -> None:
    """Paths in tracebacks are those below `root`. Unchecked, since nothing in an image changes."""
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    subprocess.run([*command, "-s", str(root), "-p", "/", str(folder)], check=True)
