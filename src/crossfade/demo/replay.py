"""Runs the walkthrough's commands for real, with the bundled kubectl on a given cluster, and judges their output."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from crossfade.demo.walkthrough import Step, missing

PAUSE_S: Final = 0.2
COMMAND_TIMEOUT_S: Final = 150.0


class Outcome(NamedTuple):
    """`failures` are the claims that the output does not bear out; empty means that the step shows what it must."""

    output: str
    failures: tuple[str, ...]
    seconds: float


class Shell(NamedTuple):
    """`examples_root` is the folder that holds `examples/`."""

    environment: dict[str, str]
    examples_root: Path

    def run(self, step: Step) -> Outcome:
        """Repeats the command within the step's patience."""
        started = time.monotonic()
        wait_for_room(step.room_s)
        deadline = time.monotonic() + step.patience_s
        while True:
            code, output = self._once(step.command)
            failures = (*missing(step, output), *_wrong_exit(step, code))
            if not failures or time.monotonic() >= deadline:
                return Outcome(output, failures, time.monotonic() - started)
            time.sleep(PAUSE_S)

    def _once(self, command: str) -> tuple[int, str]:
        try:
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                env=self.environment,
                cwd=self.examples_root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return 124, f"no answer within {COMMAND_TIMEOUT_S:.0f} s"
        return done.returncode, done.stdout


@contextmanager
def shell(*, kubeconfig: Path, gateway_url: str, examples_root: Path) -> Iterator[Shell]:
    """A shell in which `kubectl`, `crossfade` and `$GATEWAY` mean this installation and this cluster."""
    with tempfile.TemporaryDirectory(prefix="crossfade-bin-") as folder:
        for name in ("kubectl", "crossfade"):
            (Path(folder) / name).symlink_to(_executable(name))
        environment = dict(
            os.environ,
            PATH=f"{folder}:{os.environ.get('PATH', '')}",
            KUBECONFIG=str(kubeconfig),
            GATEWAY=gateway_url,
        )
        yield Shell(environment, examples_root)


def wait_for_room(room_s: float) -> None:
    """Rate limits count in calendar minutes: a burst that spans two of them would not be refused."""
    left = 60.0 - time.time() % 60.0
    if left < room_s:
        time.sleep(left + PAUSE_S)


def _executable(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name} is neither beside {sys.executable} nor on the PATH")
    return found


def _wrong_exit(step: Step, code: int) -> tuple[str, ...]:
    return () if code == step.exit_code else (f"exit code {step.exit_code} (it was {code})",)
