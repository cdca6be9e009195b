"""Sockets of other containers of the pod, as the kernel lists them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crossfade.proxy.app_sockets import Sockets, sockets_of_others

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


def line(state: str, inode: int) -> str:
    return (
        f"   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 {inode} 1 0"
    )


@pytest.fixture
def proc(tmp_path: Path) -> Callable[..., Path]:
    def make(*lines: str, v6: tuple[str, ...] | None = ()) -> Path:
        (tmp_path / "net").mkdir()
        (tmp_path / "net/tcp").write_text("\n".join([HEAD, *lines, ""]))
        if v6 is not None:
            (tmp_path / "net/tcp6").write_text("\n".join([HEAD, *v6, ""]))
        (tmp_path / "7/fd").mkdir(parents=True)
        (tmp_path / "7/fd/3").symlink_to("socket:[42]")
        (tmp_path / "7/fd/4").symlink_to("/dev/null")
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("lines", "v6", "expected"),
    [
        ((), None, Sockets.NONE),
        ((line("0A", 42), line("01", 42)), (), Sockets.NONE),
        ((line("01", 44), line("0A", 43)), (), Sockets.LISTENING),
        ((), (line("01", 43),), Sockets.CONNECTED),
        # Closed by its program: TIME_WAIT and FIN_WAIT2 are the kernel's, and have no inode.
        ((line("06", 0), line("05", 0)), (), Sockets.NONE),
    ],
)
def test_the_most_telling_counts(
    proc: Callable[..., Path], lines: tuple[str, ...], v6: tuple[str, ...] | None, expected: Sockets
) -> None:
    assert sockets_of_others([7, 8], proc=proc(*lines, v6=v6)) is expected


def test_the_real_kernel_tells() -> None:
    """In a network namespace of its own, where nothing else listens."""
    code = (
        "import os, socket; from crossfade.proxy.app_sockets import sockets_of_others;"
        "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen();"
        "print(*map(int, (sockets_of_others([os.getpid()]), sockets_of_others([]))))"
    )
    command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    done = subprocess.run([*command, sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "2"]


def test_a_kernel_that_does_not_tell_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="tcp"):
        sockets_of_others([], proc=tmp_path)
