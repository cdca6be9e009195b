"""How long people wait for a start: of a gateway on files, of an embedded cluster, and of the demo's pods in it.

    python -m benchmarks.start_times [--rounds 7]

In rounds, one start of each kind a round, so that what else the machine does meets all alike. A cluster starts on an
empty data directory (first) and on what that start left (again).
"""

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.support.cluster import crossfade
from tests.support.ports import free_ports

SHOP: Final = Path(__file__).resolve().parent.parent / "examples/gateway/shop.yaml"
_REQUEST: Final = b"GET /no-such-route HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n"
_LOOK_AGAIN_S: Final = 0.002
_GIVE_UP_S: Final = 60.0


def gateway_s(folder: Path) -> float:
    """From the command to the first answer."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "crossfade.cli", "gateway", "run", "-f", str(folder), "--http-port", str(port)]
    began = time.perf_counter()
    gateway = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        while not _answers(port):
            if time.perf_counter() - began > _GIVE_UP_S or gateway.poll() is not None:
                raise TimeoutError("the gateway did not answer")
            time.sleep(_LOOK_AGAIN_S)
        return time.perf_counter() - began
    finally:
        gateway.terminate()
        gateway.wait(_GIVE_UP_S)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(_REQUEST)
            return connection.recv(12) == b"HTTP/1.1 404"
    except OSError:
        return False


def cluster_s(data_dir: Path, *options: str) -> float:
    """From `up --detach` to its return, which is when all that it installs is ready; ended by then."""
    ports = zip(("api", "http", "https"), free_ports(3), strict=True)
    began = time.perf_counter()
    try:
        up = crossfade(
            "up", "--detach", "--data-dir", str(data_dir), *(f"--{name}-port={port}" for name, port in ports), *options
        )
        took_s = time.perf_counter() - began
        assert up.returncode == 0, up.stderr
        return took_s
    finally:
        crossfade("down", "--data-dir", str(data_dir))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            (place / "shop").mkdir()
            (place / "shop/shop.yaml").write_bytes(SHOP.read_bytes())
            kinds: dict[str, Callable[[], float]] = {
                "gateway run, to the first answer": lambda place=place: gateway_s(place / "shop"),
                "up --bare, first": lambda place=place: cluster_s(place / "bare", "--bare"),
                "up --bare, again": lambda place=place: cluster_s(place / "bare", "--bare"),
                "up, first": lambda place=place: cluster_s(place / "whole"),
                "up, again": lambda place=place: cluster_s(place / "whole"),
            }
            for kind, measure in kinds.items():
                found.setdefault(kind, []).append(measure())
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    for kind, times in found.items():
        print(f"{statistics.median(times):6.3f} s  ({min(times):.3f} to {max(times):.3f})  {kind}")


if __name__ == "__main__":
    main()
