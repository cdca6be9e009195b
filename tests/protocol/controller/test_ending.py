"""What is told to end ends soon, from its first instructions on: also as the first process of a container."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_ports

SOON_S = 2.0
COMMANDS = (["controller", "--role", "mesh"], ["controller", "--role", "gateway"], ["proxy", "--gateway"])
# Of an API server that nobody answers for.
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "http://192.0.2.1"}}]
users: [{name: u, user: {token: t}}]
"""


@contextmanager
def first_process(folder: Path, *arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`unshare`, and the command's process id: it is 1 in its own namespace."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    isolated = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if arguments[0] == "controller":
        # Their ports may be somebody else's here.
        isolated.append("--net")
        arguments = (*arguments, "--kubeconfig", str(kubeconfig))
    with subprocess.Popen(
        [*isolated, sys.executable, "-m", "crossfade.cli", *arguments],
        env=os.environ | environment,
        stderr=subprocess.DEVNULL,
    ) as outer:
        try:
            children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
            wait(lambda: children.read_text().split())
            yield outer, int(children.read_text())
        finally:
            outer.kill()


def wait(condition: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline


def handles_sigterm(pid: int) -> bool:
    """The proxy may have become its launcher already, which finds what came before."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt:")]
    is_caught = bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return is_caught or b"crossfade_launcher" in Path(f"/proc/{pid}/cmdline").read_bytes()


def imported(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_handler_is_there_before_anything_large(arguments: list[str], tmp_path: Path) -> None:
    with first_process(tmp_path, *arguments) as (outer, pid):
        wait(lambda: handles_sigterm(pid))
        assert "_ssl" not in imported(pid)
        assert "cygrpc" not in imported(pid)
        os.kill(pid, signal.SIGTERM)
        assert outer.wait(SOON_S) == 0


@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.6])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_whoever_starts_ends_when_told(arguments: list[str], after_s: float, tmp_path: Path) -> None:
    """Whatever it is about to do at that moment."""
    admin, status = free_ports(2)
    ports = {"ENVOY_ADMIN_ACCESS_PORT": str(admin), "CROSSFADE_STATUS_PORT": str(status)}
    with first_process(tmp_path, *arguments, **ports) as (outer, pid):
        wait(lambda: handles_sigterm(pid))
        time.sleep(after_s)
        os.kill(pid, signal.SIGTERM)
        assert outer.wait(SOON_S) == 0
