"""One Envoy as a child process: started from a bootstrap, ended. Standard library only."""

import os
import signal
import subprocess
from pathlib import Path

from crossfade.built import launcher
from crossfade.proxy.envoy_command import STREAMS, envoy_command
from crossfade.proxy.private_file import write_private


class EnvoyProcess:
    """Must be started from a thread that lives as long as Envoy shall: the kernel ends Envoy with it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @classmethod
    def start(
        cls,
        bootstrap: bytes | str,
        *,
        workdir: Path,
        concurrency: int = 1,
        log_level: str = "info",
        log_path: str = "/dev/stderr",
        environment: dict[str, str] | None = None,
    ) -> "EnvoyProcess":
        """`workdir` gets `envoy.json`. `environment` is added to ours. `log_path` is where Envoy's messages go."""
        if isinstance(bootstrap, str):
            bootstrap = bootstrap.encode()
        path = workdir / "envoy.json"
        write_private(path, bootstrap)
        command = envoy_command(path, concurrency=concurrency, log_level=log_level, log_path=log_path)
        # Envoy itself asks the kernel to be ended with its parent only where hot restart is on.
        of_child = [arg for name, value in (environment or {}).items() for arg in ("--env", f"{name}={value}")]
        arguments = [str(launcher()), "child-of", str(os.getpid()), *of_child, "--", *command]
        # A group of its own: a signal to ours (Ctrl-C, a runtime's stop) must not end Envoy before it has drained.
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stderr=STREAMS.get(log_path),
            process_group=0,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code as a shell counts it (128 + signal), or None while it runs."""
        code = self._process.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait(self, timeout_s: float | None = None) -> int:
        """Like `poll`, but waits; `TimeoutError` when the time is over."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"Envoy still runs after {timeout_s} s") from error
        return code if code >= 0 else 128 - code

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Ends at once, without draining."""
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self._process.kill()
