"""Starts embedded clusters for tests, each with a data directory and ports of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.support.ports import free_ports

SLEEPERS = '- {match: "*", argv: [sleep, infinity]}\n'


def crossfade(*arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crossfade.cli", *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=timeout_s,
        check=False,
    )


class EmbeddedCluster(NamedTuple):
    data_dir: Path
    gateway_url: str
    crossfade: Callable[..., subprocess.CompletedProcess[str]] = crossfade
    """Runs the command as the cluster's user."""

    @property
    def kubeconfig(self) -> Path:
        return self.data_dir / "kubeconfig"

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Standard output; raises CalledProcessError with the output attached."""
        return subprocess.run(
            [str(Path(sys.executable).parent / "kubectl"), *arguments],
            env=dict(os.environ, KUBECONFIG=str(self.kubeconfig)),
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout


@contextmanager
def embedded_cluster(
    data_dir: Path,
    *arguments: str,
    api_port: int | None = None,
    run: Callable[..., subprocess.CompletedProcess[str]] = crossfade,
) -> Iterator[EmbeddedCluster]:
    """`crossfade up --detach` with free ports; ends with `down`, whatever happens."""
    ports = free_ports(3) if api_port is None else [api_port, *free_ports(2)]
    options = [f"--{name}-port={port}" for name, port in zip(("api", "http", "https"), ports, strict=True)]
    try:
        up = run("up", "--detach", "--data-dir", str(data_dir), *options, *arguments)
        assert up.returncode == 0, up.stderr
        yield EmbeddedCluster(data_dir, f"http://127.0.0.1:{ports[1]}", run)
    finally:
        run("down", "--data-dir", str(data_dir))


def process_1_of(namespace: str) -> int:
    """Its id on the machine, by what `readlink /proc/self/ns/pid` says in the container: nobody inside can kill it."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str((process / "ns/pid").readlink()) == namespace:
                status = (process / "status").read_text()
                if next(line.split()[-1] for line in status.splitlines() if line.startswith("NSpid:")) == "1":
                    return int(process.name)
    raise LookupError(f"no process 1 of {namespace}")
