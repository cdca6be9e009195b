"""A proxy that runs and can be asked for each scenario."""

import http.client
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.compare.scenarios import GATEWAYS, Over, Scenario
from benchmarks.load import BODY, LARGE, LARGE_BODY
from benchmarks.processes import children, ended_with_parent
from tests.support.openssl import Files

STARTS_WITHIN_S: Final = 20.0
# Servers of Debian are not on everybody's PATH, nor are programs from packages of Python.
_PATH: Final = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


class World(NamedTuple):
    """What each contestant is started with: the upstream's port, and a certificate for TLS."""

    folder: Path
    upstream: int
    certificate: Files


class Contestant(NamedTuple):
    """`ports` by scenario; `pids` of all processes whose CPU counts."""

    pids: tuple[int, ...]
    ports: Mapping[str, int]

    def url(self, name: str, scenario: Scenario) -> str:
        scheme = "http" if scenario.over is Over.HTTP else "https"
        return f"{scheme}://127.0.0.1:{self.ports[name]}{scenario.path}"


def on_ports(names: Mapping[str, Scenario], plain: int, secure: int) -> dict[str, int]:
    return {name: plain if one.over is Over.HTTP else secure for name, one in names.items()}


def found(program: str) -> str | None:
    return shutil.which(program, path=_PATH)


@contextmanager
def program(folder: Path, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Iterator[int]:
    """Its process id. What it says is in `log` of its folder."""
    path = found(command[0])
    assert path is not None
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ended_with_parent([path, *command[1:]]),
            cwd=folder,
            env=os.environ | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def until_answered(port: int) -> None:
    _served(port, GATEWAYS["plain"])


def until_answered_at(port: int, path: str) -> None:
    _served(port, Scenario("", path))


def with_children(pid: int) -> tuple[int, ...]:
    return (pid, *children(pid))


class Told(NamedTuple):
    status: int
    length: int


def ask(port: int, scenario: Scenario, headers: Sequence[tuple[str, str]]) -> Told:
    """One request, over HTTP/1.1."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = (
        http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        if scenario.over is Over.HTTP
        else http.client.HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    )
    try:
        connection.request("GET", scenario.path, headers=dict(headers))
        response = connection.getresponse()
        return Told(response.status, len(response.read()))
    finally:
        connection.close()


def prove(who: str, contestant: Contestant, name: str, scenario: Scenario) -> None:
    """That it does what it is measured for: serves, and refuses whom it shall refuse."""
    port = contestant.ports[name]
    served = _served(port, scenario)
    size = len(LARGE_BODY if scenario.path.endswith(LARGE) else BODY)
    if scenario.refused:
        # The first may have been served: that was all that the limit lets through.
        served = ask(port, scenario, scenario.headers)
        _demand(served.status == 429, who, name, f"answered {served.status} to one more than the limit")
    else:
        _demand(served == (200, size), who, name, f"answered {served}")
    if scenario.headers:
        status = ask(port, scenario, ()).status
        _demand(status in (401, 404), who, name, f"answered {status} without a key")


def _served(port: int, scenario: Scenario) -> Told:
    """The first answer that is no failure to come up."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            told = ask(port, scenario, scenario.headers)
        except OSError:
            told = Told(0, 0)
        if told.status in (200, 429):
            return told
        if time.monotonic() > deadline:
            raise RuntimeError(f"port {port} answers {told} after {STARTS_WITHIN_S:.0f} s")
        time.sleep(0.02)


def _demand(holds: bool, who: str, scenario: str, otherwise: str) -> None:
    if not holds:
        raise RuntimeError(f"{who}, {scenario}: {otherwise}")
