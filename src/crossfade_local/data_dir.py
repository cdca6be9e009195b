"""The data directory of one embedded cluster: where things lie, who holds it, what the running `up` says of itself."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import orjson

from crossfade_kube.meta import JsonObject


class AlreadyRunningError(Exception):
    """Another `up` holds the directory; `pid` is 0 while it has not said who it is."""

    def __init__(self, directory: Path, pid: int) -> None:
        holder = f" (process {pid})" if pid else ""
        super().__init__(f"a cluster is already running in {directory}{holder}")
        self.pid = pid


class UnusableDirectoryError(Exception):
    """The directory cannot hold a cluster; the text names it and says why."""


class DataDir:
    """Paths below the directory; nothing is created before `prepare`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.run = self.root / "run"
        self.logs = self.root / "logs"
        self.node_log = self.logs / "node.log"
        self.kubeconfig = self.root / "kubeconfig"
        self.volumes = self.root / "volumes"
        self.authority = self.root / "pki" / "ca.crt"
        self.mounts = self.run / "mounts"
        self.kubelet_socket = self.run / "kubelet.sock"
        self.install = self.run / "install.json"
        self.built_in_images = self.run / "images.json"
        self._state = self.run / "up.json"
        self._status = self.run / "status.json"
        self._lock = self.run / "up.lock"

    def prepare(self) -> None:
        """Owner only: keys and admin credentials lie here. Raises UnusableDirectoryError."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._refuse_other_peoples_folder()
            self.root.chmod(0o700)
            for directory in (self.run, self.logs, self.mounts, self.volumes, self.root / "pods"):
                directory.mkdir(mode=0o700, exist_ok=True)
        except FileExistsError as error:
            raise UnusableDirectoryError(f"{error.filename} is a file; choose another --data-dir") from error
        except OSError as error:
            problem = f"cannot make the data directory {self.root}: {error.strerror}; choose another --data-dir"
            raise UnusableDirectoryError(problem) from error

    def _refuse_other_peoples_folder(self) -> None:
        """Its mode would change under files that have nothing to do with a cluster."""
        # In this order: another `up` may be making the folder at this moment, and makes `run` first.
        is_empty = not any(self.root.iterdir())
        if not is_empty and not self.run.exists() and not (self.root / "state.db").exists():
            raise UnusableDirectoryError(
                f"{self.root} holds files that are not of a cluster; choose a new or an empty --data-dir"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises AlreadyRunningError. The hold ends with the process, whatever ends it, so it is never stale."""
        with self._lock.open("a+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunningError(self.root, self.running_pid()) from None
            for path in (self._state, self._status):
                path.unlink(missing_ok=True)
            try:
                yield
            finally:
                if self._holds(lock):
                    for path in (self._state, self._status):
                        path.unlink(missing_ok=True)

    def _holds(self, lock: BinaryIO) -> bool:
        """False when the directory was deleted meanwhile: what lies there now is another cluster's."""
        try:
            return os.path.samestat(os.fstat(lock.fileno()), self._lock.stat())
        except OSError:
            return False

    def identity(self) -> tuple[int, int] | None:
        """Changes when the directory is deleted, even if another one takes its place; None without one."""
        try:
            found = self._lock.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def is_held(self) -> bool:
        try:
            with self._lock.open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def running_pid(self) -> int:
        """Of the `up` that holds the directory; 0 if none does."""
        return int(self.read_state().get("pid", 0)) or self._lock_holder()

    def _lock_holder(self) -> int:
        """For the moment before `up` has said who it is, and for when what it said was deleted."""
        identity = self.identity()
        try:
            lines = Path("/proc/locks").read_text(encoding="ascii").splitlines() if identity else []
        except OSError:
            return 0
        for line in lines:
            fields = line.split()
            if fields[1] == "FLOCK" and identity and fields[5].endswith(f":{identity[1]}"):
                return int(fields[4])
        return 0

    def write_state(self, state: JsonObject) -> None:
        """What `up` says of itself: process, ports, mode."""
        write_json(self._state, state)

    def read_state(self) -> JsonObject:
        return read_json(self._state)

    def write_status(self, status: JsonObject) -> None:
        """What the node says of the cluster: readiness and addresses."""
        write_json(self._status, status)

    def read_status(self) -> JsonObject:
        return read_json(self._status)


def write_json(path: Path, value: object) -> None:
    """Readers see the former content or all of the new one."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fresh.write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    fresh.replace(path)


def read_json(path: Path) -> JsonObject:
    """Empty when there is none."""
    try:
        value = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
