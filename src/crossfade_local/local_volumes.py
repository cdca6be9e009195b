"""Where the volumes lie that the cluster makes for claims: one directory each below the data directory."""

import re
import shutil
from pathlib import Path
from typing import Final

DRIVER: Final = "local-path.crossfade"
"""The provisioner that storage classes name, and the driver of the volumes that it makes."""
_HANDLE: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")


class LocalVolumes:
    """`handle` is the name that a PersistentVolume gives its directory. Raises ValueError for what is no name."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, handle: str) -> Path:
        if not _HANDLE.fullmatch(handle) or ".." in handle:
            raise ValueError(f'volume handle "{handle}" is not a name of lower case letters, digits, "-" and "."')
        return self._directory / handle

    def make(self, handle: str) -> Path:
        """The directory, open to every user of the pods; what is in it stays. Raises OSError."""
        path = self.path(handle)
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            path.mkdir()
            path.chmod(0o777)
        return path

    def remove(self, handle: str) -> None:
        """With all that is in it. Raises OSError."""
        path = self.path(handle)
        if path.exists():
            shutil.rmtree(path)
