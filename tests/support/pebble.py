"""Pebble, the certificate authority for tests of ACME clients, and its DNS server: built from the Go module proxy.

Every name is an address of this machine, so that challenges are asked for at the gateway of the test.
"""

import fcntl
import json
import os
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.documentation import ROOT
from tests.support.gateway import eventually
from tests.support.ports import free_ports
from tests.support.tls import issue

VERSION: Final = "v2.10.3"
EAB_KID: Final = "kid-1"
EAB_KEY: Final = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
BLOCKED: Final = "blocked.test"
_FOLDER: Final = ROOT / "target" / f"pebble-{VERSION}"
_PROGRAMS: Final = ("pebble", "pebble-challtestsrv")
_BUILD_WITHIN_S: Final = 280.0
_START_WITHIN_S: Final = 20.0


def programs() -> Path:
    """The folder with Pebble's programs. Skips the test where they cannot be built."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        pytest.skip("Pebble is built with Go, which is not installed")
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in _PROGRAMS:
            if not (_FOLDER / name).exists():
                _build(go, name)
    return _FOLDER


def _build(go: str, name: str) -> None:
    module = f"github.com/letsencrypt/pebble/v2/cmd/{name}@{VERSION}"
    done = subprocess.run(
        [go, "install", module],
        env=os.environ | {"GOBIN": str(_FOLDER), "GOFLAGS": "-buildvcs=false"},
        cwd=_FOLDER,
        capture_output=True,
        text=True,
        timeout=_BUILD_WITHIN_S,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"{module} cannot be built: {done.stderr[-400:]}")


class Pebble:
    """Asks port `http_port` of this machine for challenges. `options` go into its configuration."""

    def __init__(self, folder: Path, http_port: int, options: Mapping[str, object] = {}) -> None:
        self._folder = folder
        self._http_port = http_port
        self._options = options
        self.port, self._management, self._dns, self._dns_management = free_ports(4)
        self._processes: list[subprocess.Popen[bytes]] = []
        folder.mkdir(parents=True, exist_ok=True)
        authority = issue("pebble's own authority")
        pair = issue("pebble", authority)
        (folder / "ca.pem").write_bytes(authority.certificate_pem)
        (folder / "server.pem").write_bytes(pair.certificate_pem)
        (folder / "server.key").write_bytes(pair.key_pem)

    @property
    def url(self) -> str:
        """Of its directory, which does not end as Kong wants it."""
        return f"https://127.0.0.1:{self.port}/dir"

    @property
    def authorities(self) -> Path:
        """What vouches for its API."""
        return self._folder / "ca.pem"

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def start(self) -> None:
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self._folder / "server.pem"),
            "privateKey": str(self._folder / "server.key"),
            "httpPort": self._http_port,
            "tlsPort": self._http_port,
            "domainBlocklist": [BLOCKED],
            "retryAfter": {"authz": 1, "order": 1},
            "keyAlgorithm": "ecdsa",
            **self._options,
        }
        (self._folder / "config.json").write_text(json.dumps({"pebble": config}))
        folder = programs()
        closed = ["-http01", "", "-https01", "", "-doh", "", "-tlsalpn01", "", "-defaultIPv6", ""]
        dns = ["-dnsserver", f"127.0.0.1:{self._dns}", "-management", f"127.0.0.1:{self._dns_management}"]
        self._run([str(folder / "pebble-challtestsrv"), *dns, *closed])
        given = ["-config", str(self._folder / "config.json"), "-dnsserver", f"127.0.0.1:{self._dns}"]
        self._run([str(folder / "pebble"), *given])
        eventually(self._answers, within_s=_START_WITHIN_S, seen=self._folder / "log")

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
            process.wait(_START_WITHIN_S)
        self._processes.clear()

    def roots(self) -> list[str]:
        """Of the chains that it offers, the usual one first; new ones after each start."""
        return [self._managed(f"/roots/{number}") for number in range(2)]

    def _run(self, command: list[str]) -> None:
        # No waiting as of a real one, one nonce in twenty refused, and another chain besides the usual.
        environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_ALTERNATE_ROOTS": "1", "PEBBLE_AUTHZREUSE": "0"}
        with (self._folder / "log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | environment
                )
            )

    def _answers(self) -> bool:
        assert all(process.poll() is None for process in self._processes), self.log
        try:
            return bool(self._managed("/roots/0"))
        except (urllib.error.URLError, OSError):
            return False

    def _managed(self, path: str) -> str:
        trusting = ssl.create_default_context(cafile=self.authorities)
        with urllib.request.urlopen(f"https://127.0.0.1:{self._management}{path}", context=trusting, timeout=5) as got:
            text: str = got.read().decode()
        return text


@contextmanager
def running_pebble(folder: Path, http_port: int, options: Mapping[str, object] = {}) -> Iterator[Pebble]:
    pebble = Pebble(folder, http_port, options)
    pebble.start()
    try:
        yield pebble
    finally:
        pebble.stop()
