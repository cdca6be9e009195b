"""Brings a cluster up on this machine, out of what was built, and takes it away again without a trace."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.kubernetes import parts
from tests.kubernetes.build import Cache
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.configuration import dns_objects, files_of
from tests.kubernetes.images import add_parts
from tests.kubernetes.node import RunningNode, running_nodes
from tests.kubernetes.pki import ADMIN, write_pki
from tests.kubernetes.plan import HOST_ADDRESS, Layout, Node
from tests.kubernetes.registry import Store, served
from tests.kubernetes.releases import Release

_PROGRAMS: Final = ("containerd", "runc", "conntrack", "ipset", "socat", "iptables", "nsenter", "setpriv", "ip")
_READY_S: Final = 120.0
_END_S: Final = 10.0


@contextmanager
def cluster_here(cache: Cache, release: Release, *, nodes: int, fill: Callable[[Store], None]) -> Iterator[Cluster]:
    """A Ready cluster whose nodes pull what `fill` puts into the store."""
    _check_machine()
    with tempfile.TemporaryDirectory(prefix="crossfade-k8s-", ignore_cleanup_errors=True) as folder:
        layout = Layout(Path(folder), cache.programs(release), release, tuple(Node(n + 1) for n in range(nodes)))
        store = Store(layout.folder / "images")
        add_parts(store, layout.programs)
        fill(store)
        for node in layout.nodes:
            layout.logs(node).mkdir(parents=True)
        write_pki(layout)
        with (
            running_nodes(layout) as running,
            served(store, HOST_ADDRESS) as registry,
            _processes(layout, running, registry=registry) as cluster,
        ):
            yield cluster


def _check_machine() -> None:
    """Raises RuntimeError naming what is missing."""
    if os.geteuid() != 0:
        raise RuntimeError("nodes are made by root; or name a cluster: --kubeconfig")
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if not Path("/usr/lib/cni/ptp").exists():
        missing.append("containernetworking-plugins")
    if missing:
        raise RuntimeError(f"not installed: {', '.join(missing)}; packages-kubernetes.txt names the packages")


@contextmanager
def _processes(layout: Layout, running: list[RunningNode], *, registry: str) -> Iterator[Cluster]:
    cluster = Cluster(layout.kubeconfig(ADMIN), is_ours=True)
    started: list[subprocess.Popen[bytes]] = []

    def start(each: RunningNode, name: str, command: list[str]) -> None:
        started.append(each.start(command, layout.logs(each.node) / f"{name}.log"))

    try:
        for each in running:
            _write_files(layout, each.node, registry)
            start(each, "containerd", parts.containerd(layout, each.node))
        first = running[0]
        start(first, "etcd", parts.etcd(layout))
        start(first, "kube-apiserver", parts.api_server(layout))
        _until(lambda: cluster.answers("get", "--raw", "/readyz"), "the API server")
        for name in parts.CONTROL_PLANE:
            start(first, name, parts.part(name, layout, first.node))
        for each in running:
            for name in parts.EVERYWHERE:
                start(each, name, parts.part(name, layout, each.node))
        _begin(cluster, layout)
        yield cluster
    except Exception:
        _keep_logs(layout)
        raise
    finally:
        _end(started)


def _write_files(layout: Layout, node: Node, registry: str) -> None:
    for name, content in files_of(layout, node, registry=registry).items():
        path = layout.of(node) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def _begin(cluster: Cluster, layout: Layout) -> None:
    cluster.apply(*dns_objects())
    for node in layout.nodes:
        _until(lambda node=node: cluster.answers("get", "node", node.name), node.name)  # type: ignore[misc]
    cluster.kubectl("wait", "node", "--all", "--for=condition=Ready", f"--timeout={_READY_S:.0f}s")
    cluster.kubectl("rollout", "status", "-n", "kube-system", "deployment/coredns", f"--timeout={_READY_S:.0f}s")


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _READY_S
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} does not answer within {_READY_S:.0f} s")
        time.sleep(0.3)


def _keep_logs(layout: Layout) -> None:
    """Where something failed the logs are the only thing that outlives the cluster."""
    kept = Path(tempfile.mkdtemp(prefix="crossfade-k8s-logs-"))
    for node in layout.nodes:
        shutil.copytree(layout.logs(node), kept / node.name)
    print(f"logs of the nodes' parts: {kept}", file=sys.stderr, flush=True)


def _end(started: list["subprocess.Popen[bytes]"]) -> None:
    """What enters a namespace hands no signal on; the node's end kills what these have begun."""
    for process in started:
        process.kill()
    for process in started:
        process.wait(_END_S)
