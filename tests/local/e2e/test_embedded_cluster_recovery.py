"""The embedded cluster when things are killed, taken or missing."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.reliability.remains import children_of, node_of, processes, started
from tests.support.cluster import EmbeddedCluster, crossfade
from tests.support.cluster_owner import ClusterOwner
from tests.support.polling import SOON_S, eventually
from tests.support.ports import free_ports
from tests.support.readiness import watched_readiness

pytestmark = pytest.mark.cluster


WRITER = """
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 1337}
  containers:
    - name: writer
      image: crossfade/djapp:v1
      command: [sh, -c, mkdir -m 700 /volume/own && touch /volume/own/file; exec sleep infinity]
      readinessProbe: {exec: {command: [test, -f, /volume/own/file]}, periodSeconds: 1}
      volumeMounts: [{name: volume, mountPath: /volume}]
  volumes: [{name: volume, emptyDir: {}}]
"""


@pytest.fixture
def cluster(owner: ClusterOwner) -> Iterator[EmbeddedCluster]:
    with owner.cluster(owner.folder("cluster"), "--bare") as running:
        yield running


def status(cluster: EmbeddedCluster) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(run(cluster, "status", "-o", "json").stdout)
    return report


def run(cluster: EmbeddedCluster, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Of `crossfade`, on this cluster."""
    return cluster.crossfade(command, "--data-dir", str(cluster.data_dir), *arguments)


def kill_one(*words: str) -> int:
    (pid,) = started(*words)
    os.kill(pid, signal.SIGKILL)
    return pid


def run_dj(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("create", "deployment", "dj", "--image=crossfade/djapp:v1")
    cluster.kubectl("expose", "deployment", "dj", "--port=80", "--target-port=9080", "--type=LoadBalancer")
    cluster.kubectl("rollout", "status", "deployment/dj", f"--timeout={SOON_S:g}s")
    eventually(lambda: answers(cluster))


def answers(cluster: EmbeddedCluster) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{cluster.gateway_url}/ping", timeout=2).status == 200)
    except OSError:
        return False


def containers_of(cluster: EmbeddedCluster) -> list[int]:
    """Process ids of the DJ applications whose network belongs to this cluster's node."""
    return children_of(node_of(cluster.data_dir), "djapp.py")


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
    report = status(cluster)
    assert (report["state"], run(cluster, "status").returncode) == ("ready", 0)
    assert cluster.gateway_url == f"http://127.0.0.1:{report['ports']['http']}"
    (server,) = started("crossfade_local.apiserver", str(cluster.data_dir))
    os.kill(server, signal.SIGSTOP)
    assert status(cluster)["state"] == "not answering"
    eventually(lambda: server not in processes("crossfade_local.apiserver", str(cluster.data_dir)))
    eventually(lambda: status(cluster)["state"] == "ready")
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


@pytest.mark.every_mode
def test_killed_up_takes_all_with_it_and_the_next_one_continues(cluster: EmbeddedCluster) -> None:
    run_dj(cluster)
    containers = containers_of(cluster)
    os.kill(status(cluster)["pid"], signal.SIGKILL)
    eventually(lambda: not processes(str(cluster.data_dir)))
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in containers))
    assert not status(cluster)["running"]
    ports = [cluster.gateway_url.rpartition(":")[2], *map(str, free_ports(2))]
    options = [f"--{name}-port={port}" for name, port in zip(("http", "api", "https"), ports, strict=True)]
    with watched_readiness(int(ports[1]), cluster.data_dir / "pki", runs=lambda: bool(containers_of(cluster))) as seen:
        assert run(cluster, "up", "--detach", "--bare", *options).returncode == 0
        cluster.kubectl("rollout", "status", "deployment/dj", f"--timeout={SOON_S:g}s")
        assert containers_of(cluster)
        eventually(lambda: answers(cluster))
    assert restarts(cluster) == 1
    assert seen.too_early == []
    assert seen.was_unready


def test_second_up_in_the_same_directory(cluster: EmbeddedCluster) -> None:
    second = run(cluster, "up", "--bare")
    assert second.returncode == 1
    assert f"already running in {cluster.data_dir} (process {status(cluster)['pid']})" in second.stderr


def test_two_clusters_side_by_side(owner: ClusterOwner, cluster: EmbeddedCluster) -> None:
    run_dj(cluster)
    with owner.cluster(owner.folder("other"), "--bare") as other:
        assert other.gateway_url != cluster.gateway_url
        assert "No resources found" not in cluster.kubectl("get", "pods")
        assert json.loads(other.kubectl("get", "pods", "-o", "json"))["items"] == []
        run_dj(other)
    assert answers(cluster)


def test_port_in_use_names_its_holder(owner: ClusterOwner, cluster: EmbeddedCluster) -> None:
    port = cluster.gateway_url.rpartition(":")[2]
    late = str(owner.folder("late") / "data")
    refused = owner.crossfade("up", "--bare", "--data-dir", late, f"--http-port={port}")
    assert refused.returncode == 1
    assert f"--http-port {port}: 127.0.0.1:{port} is in use by" in refused.stderr
    assert f"(process {status(cluster)['pid']})" in refused.stderr


@pytest.mark.every_mode
def test_down_leaves_nothing(cluster: EmbeddedCluster) -> None:
    run_dj(cluster)
    assert run(cluster, "down").returncode == 0
    assert processes(str(cluster.data_dir)) == []
    assert status(cluster)["running"] is False
    assert run(cluster, "down").returncode == 0


@pytest.mark.every_mode
def test_deleted_data_is_gone_whoever_owns_it(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=WRITER)
    cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={SOON_S:g}s", "pod/writer")
    down = run(cluster, "down", "--delete")
    assert (down.returncode, down.stderr) == (0, f"stopped\ndeleted {cluster.data_dir}\n")
    assert not cluster.data_dir.exists()


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
        assert (data_dir / "run/up.json").exists()
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
