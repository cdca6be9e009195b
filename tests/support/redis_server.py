"""A Redis of Debian's for tests, on a port of its own and without anything on disk."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_ports
from tests.support.tls import issue

START_WITHIN_S = 60.0


class RedisServer:
    """`options` are lines of its configuration."""

    def __init__(self, folder: Path, options: Sequence[str] = (), *, tls: bool = False) -> None:
        (self.port,) = free_ports(1)
        self._folder = folder
        self._tls = ["--tls", "--cacert", str(folder / "ca.pem")] if tls else []
        listening = [f"port {self.port}"]
        if tls:
            listening = ["port 0", f"tls-port {self.port}", *self._certificate(), "tls-auth-clients no"]
        lines = ["bind 127.0.0.1", 'save ""', f"dir {folder}", *listening, *options]
        (folder / "redis.conf").write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def authority(self) -> Path:
        """The certificate that vouches for the server's, which names 127.0.0.1."""
        return self._folder / "ca.pem"

    def _certificate(self) -> list[str]:
        authority = issue("redis authority")
        pair = issue("redis", authority)
        for name, content in (
            ("ca.pem", authority.certificate_pem),
            ("server.pem", pair.certificate_pem),
            ("server.key", pair.key_pem),
        ):
            (self._folder / name).write_bytes(content)
        return [f"tls-cert-file {self._folder}/server.pem", f"tls-key-file {self._folder}/server.key"]

    def start(self) -> None:
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", str(self._folder / "redis.conf")], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + START_WITHIN_S
        # Without rights it answers too.
        while not self.ask("PING"):
            assert self._process.poll() is None, (self._folder / "redis.log").read_text()
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self.resume()
            self._process.kill()
            self._process.wait(START_WITHIN_S)
            self._process = None

    def freeze(self) -> None:
        """It takes connections and never answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *command: str, user: Sequence[str] = ()) -> str:
        """What redis-cli prints; nothing where nobody answers."""
        login = ["--user", user[0], "--pass", user[1], "--no-auth-warning"] if user else []
        arguments = ["redis-cli", "-h", "127.0.0.1", "-p", str(self.port), *self._tls, *login, *command]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=START_WITHIN_S)
        return done.stdout.strip()


@contextmanager
def redis_server(folder: Path, options: Sequence[str] = (), *, tls: bool = False) -> Iterator[RedisServer]:
    server = RedisServer(folder, options, tls=tls)
    try:
        server.start()
        yield server
    finally:
        server.stop()
