"""Ports that stay open while Envoy is started again; in network namespaces of their own, since a switch is needed."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, socket, sys
from pathlib import Path
from crossfade.proxy.held_ports import GIVE_UP_S, HeldPorts

ports = HeldPorts(ports=frozenset({15001}))

def listener():
    made = socket.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("", 15001))
    made.listen()
    made.settimeout(2)
    return made

family, switch = sys.argv[1:]
Path("/proc/sys/net/ipv4/tcp_migrate_req").write_text(switch)
first = listener()
ports.note(os.getpid())
first.close()
ports.hold(0.0)
print("held" if ports.are_held else "not held")
if ports.are_held:
    waiting = socket.create_connection(("127.0.0.1", 15001), timeout=2)
    waiting.sendall(b"hello")
    ports.note(1)
    second = listener()
    ports.release(os.getpid(), 0.1)
    taken, _ = second.accept()
    print("released" if not ports.are_held else "kept", taken.recv(5).decode())
    second.close()
    ports.hold(1.0)
    ports.release(1, 1.1)
    print("held" if ports.are_held else "released")
    ports.release(1, 1.0 + GIVE_UP_S)
    print("held" if ports.are_held else "released")
"""


@pytest.mark.parametrize(
    ("family", "switch", "expected"),
    [
        ("ipv4", "1", ["held", "released hello", "held", "released"]),
        ("ipv6", "1", ["held", "released hello", "held", "released"]),
        # Without it what waits would be reset: it is better off refused.
        ("ipv4", "0", ["not held"]),
    ],
)
def test_what_waits_goes_over_to_the_next_envoy(family: str, switch: str, expected: list[str]) -> None:
    shell = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    done = subprocess.run(
        [*shell, sys.executable, "-c", SCRIPT, family, switch], capture_output=True, text=True, check=False
    )
    assert (done.stdout.splitlines(), done.stderr) == (expected, "")
