"""Workloads with names, volumes and times of their own on the embedded cluster, with the real kubectl."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.cluster import EmbeddedCluster, embedded_cluster

pytestmark = pytest.mark.cluster

IMAGES = """
- {match: "shell:*", argv: [sh, -c, "trap 'exit 0' TERM; echo started; sleep infinity & wait"], user: 65534}
"""
SOON_S = 15.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    directory = tmp_path_factory.mktemp("cluster")
    images = directory / "images.yaml"
    images.write_text(IMAGES)
    with embedded_cluster(directory / "data", "--bare", "--images", str(images)) as running:
        yield running


def eventually(condition: Callable[[], Any], *, within_s: float = SOON_S) -> Any:
    """The first true value."""
    deadline = time.monotonic() + within_s
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, condition
        time.sleep(0.05)


def apply(cluster: EmbeddedCluster, *objects: dict[str, Any]) -> None:
    content = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(content))


def template(app: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "shell:1", **spec.pop("container", {})}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container], **spec}}


def columns(cluster: EmbeddedCluster, *arguments: str) -> list[list[str]]:
    lines = cluster.kubectl("get", *arguments, "--no-headers").splitlines()
    return [line.split() for line in lines]


def test_a_stateful_set_keeps_names_and_data(cluster: EmbeddedCluster) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    mounts = {"volumeMounts": [{"name": "tapes", "mountPath": "/tapes"}]}
    service = {"clusterIP": "None", "selector": {"app": "band"}, "ports": [{"port": 80}]}
    apply(
        cluster,
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "band"}, "spec": service},
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "band"},
            "spec": {
                "replicas": 2,
                "serviceName": "band",
                "selector": {"matchLabels": {"app": "band"}},
                "template": template("band", container=mounts, terminationGracePeriodSeconds=2),
                "volumeClaimTemplates": [{"metadata": {"name": "tapes"}, "spec": claim}],
            },
        },
    )
    cluster.kubectl("rollout", "status", "statefulset/band", f"--timeout={SOON_S:g}s")
    assert columns(cluster, "statefulset", "band")[0][:2] == ["band", "2/2"]
    (name, status, _, capacity, mode, storage_class, *_), _ = columns(cluster, "pvc")
    assert (name, status, capacity, mode) == ("tapes-band-0", "Bound", "1Gi", "RWO")
    assert storage_class == "local-path"
    found = cluster.kubectl("exec", "band-0", "--", "getent", "hosts", "band-1.band.default.svc.cluster.local")
    address = json.loads(cluster.kubectl("get", "pod", "band-1", "-o", "json"))["status"]["podIP"]
    assert found.split()[0] == address
    cluster.kubectl("exec", "band-1", "--", "sh", "-c", "echo blue > /tapes/train")
    cluster.kubectl("set", "image", "statefulset/band", "main=shell:2")
    cluster.kubectl("rollout", "status", "statefulset/band", f"--timeout={SOON_S:g}s")
    assert cluster.kubectl("exec", "band-1", "--", "cat", "/tapes/train") == "blue\n"
    assert cluster.kubectl("rollout", "history", "statefulset/band").split()[-4:] == ["1", "<none>", "2", "<none>"]
    cluster.kubectl("rollout", "undo", "statefulset/band")
    cluster.kubectl("rollout", "status", "statefulset/band", f"--timeout={SOON_S:g}s")
    images = cluster.kubectl("get", "pods", "-l", "app=band", "-o", "jsonpath={..containers[0].image}")
    assert images == "shell:1 shell:1"
    cluster.kubectl("delete", "statefulset", "band", "--wait=false")
    cluster.kubectl("delete", "pvc", "--all", f"--timeout={SOON_S:g}s")
    volumes = cluster.data_dir / "volumes"
    eventually(lambda: not columns(cluster, "pv") and not list(volumes.iterdir()))
