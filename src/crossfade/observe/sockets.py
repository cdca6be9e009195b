"""Where a gateway on this machine shows its records: a socket in a folder that is the user's alone."""

import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".records"
_CONNECT_WITHIN_S: Final = 1.0
# The kernel takes 108 bytes for the whole path.
_LONGEST_BASE: Final = 70


class NoGateway(Exception):  # noqa: N818 - says what is not there, to people
    """None, or more than one."""


def own_socket(environ: Mapping[str, str]) -> Path:
    """Of this process. Raises OSError where the folder is, or may become, somebody else's."""
    return _folder(environ) / f"{os.getpid()}{_SUFFIX}"


def live_sockets(environ: Mapping[str, str]) -> Iterator[Path]:
    """Of gateways that run; what those have left that no longer do is removed. Raises OSError."""
    for path in sorted(_folder(environ).glob(f"*{_SUFFIX}")):
        if _answers(path):
            yield path
        else:
            path.unlink(missing_ok=True)


def chosen_socket(environ: Mapping[str, str], pid: int | None) -> Path:
    """That of the process, or of the only one. Raises NoGateway and OSError."""
    found = list(live_sockets(environ))
    wanted = [path for path in found if pid is None or path.stem == str(pid)]
    if len(wanted) == 1:
        return wanted[0]
    if not found:
        raise NoGateway("no gateway runs here that tells of its requests; start one with `crossfade gateway run`")
    running = ", ".join(path.stem for path in found)
    raise NoGateway(f"choose one of the gateways that run with --gateway PID: {running}")


def _folder(environ: Mapping[str, str]) -> Path:
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    is_usable = runtime and len(runtime) < _LONGEST_BASE and Path(runtime).is_dir()
    base = Path(runtime) if is_usable else Path(tempfile.gettempdir())
    folder = base / f"crossfade-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} can be written or read by others: remove it")
    return folder


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(_CONNECT_WITHIN_S)
        try:
            probe.connect(str(path))
        except (ConnectionError, FileNotFoundError):
            return False
        except OSError:
            # It is there, and only busy.
            return True
    return True
