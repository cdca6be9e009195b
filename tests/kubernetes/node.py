"""A node: namespaces that begin with `node_process.py` and end with it, joined to the machine by a bridge."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.kubernetes import node_process
from tests.kubernetes.plan import BALANCED, BRIDGE, HOST_ADDRESS, Layout, Node

_NAMESPACES: Final = ("--mount", "--net", "--uts", "--pid")
_GONE_S: Final = 20.0


class RunningNode(NamedTuple):
    node: Node
    pid: int
    """Of its first process, as the machine counts."""

    def start(self, command: list[str], log: Path) -> "subprocess.Popen[bytes]":
        """A process of the node, which ends with it."""
        with log.open("wb") as out:
            return subprocess.Popen(
                [*self._enter(), *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )

    def run(self, *command: str) -> str:
        return subprocess.run([*self._enter(), *command], capture_output=True, text=True, check=True).stdout

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self.pid}", *_NAMESPACES, "--"]


@contextmanager
def running_nodes(layout: Layout) -> Iterator[list[RunningNode]]:
    """All nodes with their networks; nothing of them is left afterwards."""
    _check_cgroups()
    with ExitStack() as stack:
        stack.enter_context(_bridge())
        nodes = [stack.enter_context(_running(layout, node)) for node in layout.nodes]
        for each in nodes:
            stack.enter_context(_joined(each, layout))
        _ip("route", "replace", BALANCED, "via", layout.control_plane.address, "dev", BRIDGE)
        yield nodes


def _check_cgroups() -> None:
    if not (node_process.CGROUPS / "memory").is_dir():
        raise RuntimeError(
            "this machine has no cgroup v1 hierarchies, which the nodes here are made of; "
            "give the tests another cluster, such as one of kind: --kubeconfig"
        )


@contextmanager
def _bridge() -> Iterator[None]:
    subprocess.run(["ip", "link", "delete", BRIDGE], capture_output=True, check=False)
    _ip("link", "add", BRIDGE, "type", "bridge")
    try:
        _ip("address", "add", f"{HOST_ADDRESS}/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        yield
    finally:
        _ip("link", "delete", BRIDGE)


@contextmanager
def _running(layout: Layout, node: Node) -> Iterator[RunningNode]:
    settings = layout.of(node) / "node.json"
    settings.write_text(json.dumps({"folder": str(layout.of(node)), "name": node.name, "cgroup": node.cgroup}))
    command = [sys.executable, "-I", node_process.__file__, str(settings)]
    # Killed with the tests, however those end.
    unshare = ["setpriv", "--pdeathsig=KILL", "unshare", *_NAMESPACES, "--fork", "--kill-child=KILL"]
    unshare += ["--mount-proc", "--propagation=private"]
    with subprocess.Popen([*unshare, *command], stdout=subprocess.PIPE, text=True) as outer:
        try:
            assert outer.stdout is not None
            if outer.stdout.readline() != "ready\n":
                raise RuntimeError(f"{node.name} could not be set up")
            yield RunningNode(node, _child_of(outer.pid))
        finally:
            outer.kill()
            outer.wait()
            _remove_cgroups(node)


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


@contextmanager
def _joined(running: RunningNode, layout: Layout) -> Iterator[None]:
    """Puts the node on the bridge, and tells it the way to the other nodes' pods.

    Its end is taken away here: the kernel takes its time to clear a network that nobody is in any more.
    """
    node, own = running.node, f"{BRIDGE}-{running.node.number}"
    subprocess.run(["ip", "link", "delete", own], capture_output=True, check=False)
    _ip("link", "add", own, "type", "veth", "peer", "name", "eth0", "netns", str(running.pid))
    _ip("link", "set", own, "master", BRIDGE, "up")
    running.run("ip", "address", "add", f"{node.address}/24", "dev", "eth0")
    running.run("ip", "link", "set", "eth0", "up")
    running.run("ip", "route", "add", "default", "via", HOST_ADDRESS)
    for other in layout.nodes:
        if other != node:
            running.run("ip", "route", "add", other.pods, "via", other.address)
    try:
        yield
    finally:
        _ip("link", "delete", own)


def _remove_cgroups(node: Node) -> None:
    """As soon as the last process has left them; they are empty folders then."""
    deadline = time.monotonic() + _GONE_S
    roots = [hierarchy / node.cgroup for hierarchy in node_process.CGROUPS.iterdir()]
    while (left := [each for each in roots if each.exists()]) and time.monotonic() < deadline:
        for root in left:
            _remove_emptied(root)
        time.sleep(0.1)
    for root in roots:
        if root.parent.exists() and not any(each.is_dir() for each in root.parent.iterdir()):
            root.parent.rmdir()


def _remove_emptied(root: Path) -> None:
    for folder in sorted((each for each in root.rglob("*") if each.is_dir()), reverse=True):
        _try_to_remove(folder)
    _try_to_remove(root)


def _try_to_remove(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, stdin=subprocess.DEVNULL)
