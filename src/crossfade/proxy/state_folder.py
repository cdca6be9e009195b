"""What hooks of the container see of the proxy: its process id, and a file that is there once Envoy is ready."""

import os
import shutil
from pathlib import Path


class StateFolder:
    """Made anew at the start, since what a killed proxy left would be a lie; removed by `close`, or by the launcher."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the folder cannot be ours."""
        self._path = path
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        (path / "pid").write_text(f"{os.getpid()}\n")

    def close(self) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
