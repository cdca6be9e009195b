"""The embedded cluster when things are killed, taken or missing."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import EmbeddedCluster, crossfade, embedded_cluster
from tests.support.ports import free_ports
from tests.support.readiness import watched_readiness

pytestmark = pytest.mark.cluster

SOON_S = 15.0


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    with embedded_cluster(tmp_path / "data", "--bare") as running:
        yield running


def eventually(condition: Callable[[], Any], *, within_s: float = SOON_S) -> Any:
    deadline = time.monotonic() + within_s
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def status(data_dir: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(crossfade("status", "--data-dir", str(data_dir), "-o", "json").stdout)
    return report


def processes(*words: str) -> list[int]:
    """Of all processes whose command line has every word."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode() if process.name.isdigit() else ""
        except OSError:
            continue
        if line and all(word in line for word in words):
            found.append(int(process.name))
    return found


def kill_one(*words: str) -> int:
    (pid,) = processes(*words)
    os.kill(pid, signal.SIGKILL)
    return pid


def run_dj(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("create", "deployment", "dj", "--image=crossfade/djapp:v1")
    cluster.kubectl("expose", "deployment", "dj", "--port=80", "--target-port=9080", "--type=LoadBalancer")
    cluster.kubectl("rollout", "status", "deployment/dj", "--timeout=15s")
    eventually(lambda: answers(cluster))


def answers(cluster: EmbeddedCluster) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{cluster.gateway_url}/ping", timeout=2).status == 200)
    except OSError:
        return False


def containers_of(cluster: EmbeddedCluster) -> list[int]:
    """Process ids of the DJ applications whose network belongs to this cluster's node."""
    (node,) = processes("crossfade_local.node", str(cluster.data_dir))
    return [pid for pid in processes("djapp.py") if _descends(pid, node)]


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


def restarts(cluster: EmbeddedCluster) -> int:
    pods = json.loads(cluster.kubectl("get", "pods", "-o", "json"))["items"]
    return sum(one["restartCount"] for pod in pods for one in pod["status"].get("containerStatuses", []))


def test_killed_api_server_comes_back_and_pods_go_on(cluster: EmbeddedCluster) -> None:
    run_dj(cluster)
    cluster.kubectl("create", "configmap", "acknowledged", "--from-literal=a=b")
    before = containers_of(cluster)
    kill_one("crossfade_local.apiserver", str(cluster.data_dir))
    assert answers(cluster)
    eventually(lambda: "acknowledged" in cluster.kubectl("get", "configmaps"))
    assert containers_of(cluster) == before


def test_api_server_that_hangs_is_told_and_replaced(cluster: EmbeddedCluster) -> None:
    assert (status(cluster.data_dir)["state"], crossfade("status", "--data-dir", str(cluster.data_dir)).returncode) == (
        "ready",
        0,
    )
    (server,) = processes("crossfade_local.apiserver", str(cluster.data_dir))
    os.kill(server, signal.SIGSTOP)
    assert status(cluster.data_dir)["state"] == "not answering"
    eventually(lambda: server not in processes("crossfade_local.apiserver", str(cluster.data_dir)))
    eventually(lambda: status(cluster.data_dir)["state"] == "ready")
    for log in ("node.log", "up.log"):
        assert "was stopped (SIGSTOP)" in (cluster.data_dir / "logs" / log).read_text()


def test_killed_container_is_restarted(cluster: EmbeddedCluster) -> None:
    run_dj(cluster)
    (container,) = containers_of(cluster)
    os.kill(container, signal.SIGKILL)
    eventually(lambda: restarts(cluster) == 1)
    eventually(lambda: answers(cluster))


def test_killed_node_comes_back_with_its_pods(cluster: EmbeddedCluster) -> None:
    run_dj(cluster)
    before = containers_of(cluster)
    kill_one("crossfade_local.node", str(cluster.data_dir))
    eventually(lambda: processes("crossfade_local.node", str(cluster.data_dir)))
    eventually(lambda: answers(cluster))
    eventually(lambda: restarts(cluster) == 1)
    assert not set(before) & set(containers_of(cluster))


def test_killed_up_takes_all_with_it_and_the_next_one_continues(cluster: EmbeddedCluster) -> None:
    run_dj(cluster)
    containers = containers_of(cluster)
    os.kill(status(cluster.data_dir)["pid"], signal.SIGKILL)
    eventually(lambda: not processes(str(cluster.data_dir)))
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in containers))
    assert not status(cluster.data_dir)["running"]
    ports = [cluster.gateway_url.rpartition(":")[2], *map(str, free_ports(2))]
    options = [f"--{name}-port={port}" for name, port in zip(("http", "api", "https"), ports, strict=True)]
    with watched_readiness(int(ports[1]), cluster.data_dir / "pki", runs=lambda: bool(containers_of(cluster))) as seen:
        assert crossfade("up", "--detach", "--bare", "--data-dir", str(cluster.data_dir), *options).returncode == 0
        cluster.kubectl("rollout", "status", "deployment/dj", "--timeout=15s")
        assert containers_of(cluster)
        eventually(lambda: answers(cluster))
    assert restarts(cluster) == 1
    assert seen.too_early == []
    assert seen.was_unready


def test_second_up_in_the_same_directory(cluster: EmbeddedCluster) -> None:
    second = crossfade("up", "--bare", "--data-dir", str(cluster.data_dir))
    assert second.returncode == 1
    assert f"already running in {cluster.data_dir} (process {status(cluster.data_dir)['pid']})" in second.stderr


def test_two_clusters_side_by_side(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    run_dj(cluster)
    with embedded_cluster(tmp_path / "other", "--bare") as other:
        assert other.gateway_url != cluster.gateway_url
        assert "No resources found" not in cluster.kubectl("get", "pods")
        assert json.loads(other.kubectl("get", "pods", "-o", "json"))["items"] == []
        run_dj(other)
    assert answers(cluster)


def test_port_in_use_names_its_holder(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    port = cluster.gateway_url.rpartition(":")[2]
    refused = crossfade("up", "--bare", "--data-dir", str(tmp_path / "late"), f"--http-port={port}")
    assert refused.returncode == 1
    assert f"--http-port {port}: 127.0.0.1:{port} is in use by" in refused.stderr
    assert f"(process {status(cluster.data_dir)['pid']})" in refused.stderr


def test_down_leaves_nothing(cluster: EmbeddedCluster) -> None:
    run_dj(cluster)
    assert crossfade("down", "--data-dir", str(cluster.data_dir)).returncode == 0
    assert processes(str(cluster.data_dir)) == []
    assert status(cluster.data_dir)["running"] is False
    assert crossfade("down", "--data-dir", str(cluster.data_dir)).returncode == 0


def test_detached_cluster_holds_nothing_of_its_caller(tmp_path: Path) -> None:
    """A pipe that `up` inherits ends with it, though the cluster goes on."""
    reading, writing = os.pipe()
    data_dir = tmp_path / "data"
    ports = [f"--{name}-port={port}" for name, port in zip(("api", "http", "https"), free_ports(3), strict=True)]
    command = [sys.executable, "-m", "crossfade.cli", "up", "--detach", "--bare", "--data-dir", str(data_dir), *ports]
    try:
        subprocess.run(command, stdout=writing, stderr=writing, pass_fds=[writing], check=True, timeout=60)
        os.close(writing)
        with os.fdopen(reading) as source:
            assert "Ready" in source.read()
        assert status(data_dir)["running"]
    finally:
        crossfade("down", "--data-dir", str(data_dir))


def test_broken_catalogue_is_refused_before_anything_starts(tmp_path: Path) -> None:
    images = tmp_path / "images.yaml"
    images.write_text("- {match: a, argv: []}")
    refused = crossfade("up", "--bare", "--data-dir", str(tmp_path / "data"), "--images", str(images))
    assert refused.returncode == 1
    assert 'the entry for "a" has an empty argv' in refused.stderr


def test_machine_without_rights_is_told_what_to_do(tmp_path: Path) -> None:
    """As root without the right to make namespaces, as in an ordinary container."""
    root_without_rights = ["unshare", "--user", "--map-root-user", "setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    command = [*root_without_rights, sys.executable, "-m", "crossfade.cli"]
    ports = [f"--{name}-port={port}" for name, port in zip(("api", "http", "https"), free_ports(3), strict=True)]
    refused = subprocess.run(
        [*command, "up", "--bare", "--data-dir", str(tmp_path / "data"), *ports],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert refused.returncode == 1
    assert "--privileged" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
