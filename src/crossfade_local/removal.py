"""Deletes what a cluster that does not run has left, its data first: also that of containers of other users."""

import shutil
import subprocess
from pathlib import Path

from crossfade_local.cgroups import remove_group
from crossfade_local.data_dir import DataDir
from crossfade_local.preflight import Mode, search_path, user_command


class NotRemovedError(Exception):
    """The text says why."""


def remove_data(directory: DataDir) -> None:
    """Raises NotRemovedError."""
    root = directory.root
    if not root.exists():
        return
    if not directory.run.is_dir():
        raise NotRemovedError(f"{root} is not the data directory of a cluster")
    # One that was killed has left it.
    remove_group(root)
    try:
        shutil.rmtree(root)
    except OSError as error:
        # Files of subordinate uids: within a user namespace that has these, they can be deleted.
        _remove_as_all_users(root, error)


def _remove_as_all_users(root: Path, error: OSError) -> None:
    program = shutil.which("rm", path=search_path()) or "rm"
    done = subprocess.run(
        [*user_command(Mode.ROOTLESS), program, "-rf", "--", str(root)], capture_output=True, text=True, check=False
    )
    if done.returncode or root.exists():
        raise NotRemovedError(f"cannot delete {error.filename}: {error.strerror}") from error
