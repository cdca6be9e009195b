"""Where the program `kong` of a container finds the launcher of its gateway. Standard library only."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_NAME: Final = "pids/nginx.pid"
_WRITING: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
_MODE: Final = 0o644
_LONGEST: Final = 20
_OWN_NAME: Final = "crossfade-kong.pid"


def pid_file(environment: Mapping[str, str]) -> Path:
    """Below Kong's prefix, where its chart mounts a volume; else among temporary files."""
    prefix = environment.get("KONG_PREFIX")
    return Path(prefix, _NAME) if prefix else Path(tempfile.gettempdir(), _OWN_NAME)


@contextmanager
def noted(path: Path) -> Iterator[None]:
    """This process is to be found there while the block runs; what cannot be written is done without."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, _WRITING, _MODE), "w") as file:
            file.write(f"{os.getpid()}\n")
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def running(path: Path) -> int | None:
    """The launcher's number; None where it does not run, or the file is somebody else's."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW)) as file:
            pid = int(file.read(_LONGEST)) if os.fstat(file.fileno()).st_uid == os.geteuid() else 0
        if pid > 0:
            os.kill(pid, 0)
            return pid
    except (OSError, ValueError, OverflowError):
        pass
    return None
