"""How many instructions a request takes in Crossfade's gateway, beside Envoys with their own filters.

    python -m benchmarks.gateway_instructions [--requests 300] [--only plain,429]

All are those of `benchmarks.compare`: the gateway as users run it, but for records of requests, which at this pace
would be taken of each; an Envoy with its filters; and the floor, which is such an Envoy that adds fixed copies of
Kong's headers and counts what our proxies do. What is counted is Envoy's process, requests one after the other on one
connection; of 429 only what is refused. Needs valgrind. The kernel's share is not counted, and no load disturbs it: a
second run differs by 1 % at most. Takes about four minutes.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Final
from unittest.mock import patch

from benchmarks.callgrind import ask, instructions, missing_tools, program
from benchmarks.compare.contestants import Contestant, World
from benchmarks.compare.crossfade import manifests
from benchmarks.compare.envoys import native
from benchmarks.compare.floor import adding, additions
from benchmarks.compare.scenarios import GATEWAYS, Scenario
from benchmarks.load import Upstream, started
from benchmarks.processes import children
from tests.e2e.policy_module.harness import tables
from tests.support.openssl import root
from tests.support.ports import free_ports

from crossfade.cli.app import main as crossfade
from crossfade.gateway_files import serving
from crossfade.proxy import envoy_command

_WITHIN_S: Final = 600.0
_SERVE: Final = "serve"
COUNTED: Final = ("plain", "key-auth", "limit", "both", "429")
MODULE: Final = "libcrossfade_policy"
# What asks for huge pages is preloaded, into valgrind too.
UNDER_VALGRIND: Final = {"CROSSFADE_HUGE_PAGES": "off"}


def request(scenario: Scenario) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in scenario.headers)
    return f"GET {scenario.path} HTTP/1.1\r\nhost: gw.test\r\n{headers}\r\n".encode()


def serve(folder: Path, port: str) -> int:
    """The gateway, with an Envoy that is counted."""
    with (
        patch.object(envoy_command, "envoy_binary", lambda: program(folder)),
        patch.object(serving, "READY_WITHIN_S", _WITHIN_S),
    ):
        options = ["--http-port", port, "--records", "off"]
        return crossfade(["gateway", "run", "--folder", str(folder / "manifests"), *options])


@contextmanager
def gateway(folder: Path, upstream: int) -> Iterator[tuple[int, Mapping[str, int]]]:
    """Process of its Envoy, and ports by scenario."""
    (folder / "manifests").mkdir(parents=True)
    (folder / "manifests/all.yaml").write_text(manifests(upstream))
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "benchmarks.gateway_instructions", _SERVE, str(folder), str(port)]
    with subprocess.Popen(
        command, env=os.environ | UNDER_VALGRIND, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            said = list(_until_ready(process.stderr))
            if process.poll() is not None:
                raise RuntimeError(f"the gateway did not start: {''.join(said)}")
            (envoy,) = children(process.pid)
            yield envoy, dict.fromkeys(COUNTED, port)
        finally:
            process.terminate()


def _until_ready(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if line.rstrip().endswith("ready"):
            return


@contextmanager
def counted(
    contestant: Callable[[World], AbstractContextManager[Contestant]], folder: Path, upstream: int
) -> Iterator[tuple[int, Mapping[str, int]]]:
    """The same of another Envoy."""
    folder.mkdir()
    with (
        patch.dict(os.environ, UNDER_VALGRIND),
        patch.object(envoy_command, "envoy_binary", lambda: program(folder)),
        contestant(World(folder, upstream, root(folder, "gw.test"))) as running,
    ):
        (pid,) = running.pids
        until_open(running.ports["plain"])
        yield pid, running.ports


def until_open(port: int) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while True:
        try:
            return ask(port, request(GATEWAYS["plain"]), 1, 200)
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def measured(names: list[str], count: int) -> Iterator[tuple[str, list[Counter[str]]]]:
    """By scenario what the gateway takes, what the floor does, and an Envoy with its filters."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        for part in ("upstream", "probe"):
            (folder / part).mkdir()
        floor = partial(adding, added=additions(World(folder / "probe", 9, root(folder, "gw.test"))))
        with (
            started(Upstream(folder / "upstream", 1, tables([]))) as upstream,
            gateway(folder / "ours", upstream.port) as ours,
            counted(floor, folder / "floor", upstream.port) as least,
            counted(native, folder / "filters", upstream.port) as theirs,
        ):
            places = {"ours": ours, "floor": least, "filters": theirs}
            for name in names:
                yield name, [of(*running, folder / place, name, count) for place, running in places.items()]


def of(pid: int, ports: Mapping[str, int], folder: Path, name: str, count: int) -> Counter[str]:
    scenario = GATEWAYS[name]
    sent = request(scenario)
    # A limit lets the first one through.
    ask(ports[name], sent, 1)
    status = 429 if scenario.refused else 200
    return instructions(pid, folder, partial(ask, ports[name], sent, status=status), count)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--only", default=",".join(COUNTED))
    options = parser.parse_args()
    names = options.only.split(",")
    if unknown := [name for name in names if name not in COUNTED]:
        parser.error(f"--only: no {', '.join(unknown)}; there are {', '.join(COUNTED)}")
    if missing := missing_tools():
        print(f"missing: {', '.join(missing)}; install the Debian package valgrind", file=sys.stderr)
        return 1
    for name, (ours, least, theirs) in measured(names, options.requests):
        module = sum(amount for library, amount in ours.items() if library.startswith(MODULE))
        parts = f"{ours.total():7} instructions, {module:6} of them the module's"
        floors = f"floor {least.total():7}, Envoy with its filters {theirs.total():7}"
        ratio = f"ratios {ours.total() / theirs.total():.2f} and {least.total() / theirs.total():.2f}"
        print(f"{name:9} {parts}; {floors}; {ratio}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[2]), sys.argv[3]) if sys.argv[1:2] == [_SERVE] else main())
