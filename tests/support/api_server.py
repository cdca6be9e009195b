"""The embedded API server as a process of its own, for tests of its clients."""

import subprocess
import sys
from pathlib import Path

from tests.support.ports import free_ports


class ApiServerProcess:
    """Can be killed and started again over the same data."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._listen = f"127.0.0.1:{free_ports(1)[0]}"
        self._process: subprocess.Popen[str] | None = None

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "kubeconfig"

    def start(self) -> None:
        command = [sys.executable, "-m", "crossfade_local.apiserver", "--data-dir", str(self.data_dir)]
        self._process = subprocess.Popen([*command, "--listen", self._listen], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
