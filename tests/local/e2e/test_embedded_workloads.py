"""Workloads with names, volumes and times of their own on the embedded cluster, with the real kubectl."""

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from crossfade_local.controllers.autoscaling.usage import duration
from tests.support.cluster import EmbeddedCluster
from tests.support.cluster_owner import ClusterOwner
from tests.support.polling import SOON_S, eventually

pytestmark = pytest.mark.cluster

IMAGES = """
- {match: "shell:*", argv: [sh, -c, "trap 'exit 0' TERM; echo started; sleep infinity & wait"], user: 65534}
- {match: "index:*", argv: [sh, -c, "echo $JOB_COMPLETION_INDEX on $(hostname)"]}
- {match: "busy:*", argv: [sh, -c, "trap 'exit 0' TERM; while :; do :; done"]}
- {match: "web:*", argv: [python3, -c, "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8080)"]}
- {match: "look:*", argv: [sh]}
"""


@pytest.fixture(scope="module")
def cluster(owner: ClusterOwner) -> Iterator[EmbeddedCluster]:
    directory = owner.folder("cluster")
    images = directory / "images.yaml"
    images.write_text(IMAGES)
    with owner.cluster(directory, "--bare", "--images", str(images)) as running:
        yield running


def apply(cluster: EmbeddedCluster, *objects: dict[str, Any]) -> None:
    content = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(content))


def template(app: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "shell:1", **spec.pop("container", {})}
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": [container], **spec}}


def columns(cluster: EmbeddedCluster, *arguments: str) -> list[list[str]]:
    lines = cluster.kubectl("get", *arguments, "--no-headers").splitlines()
    return [line.split() for line in lines]


@pytest.mark.every_mode
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


def test_a_pod_runs_as_its_runtime_class_says(cluster: EmbeddedCluster) -> None:
    group = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"}
    apply(
        cluster,
        {**group, "metadata": {"name": "ordinary"}, "handler": "runc", "overhead": {"podFixed": {"cpu": "10m"}}},
        {**group, "metadata": {"name": "virtual"}, "handler": "kata"},
    )
    assert columns(cluster, "runtimeclass", "virtual")[0][:2] == ["virtual", "kata"]
    for name in ("ordinary", "virtual"):
        pod = template(name, runtimeClassName=name, terminationGracePeriodSeconds=1)
        apply(cluster, {"apiVersion": "v1", "kind": "Pod", **pod, "metadata": {"name": name}})
    cluster.kubectl("wait", "pod/ordinary", "--for=condition=Ready", f"--timeout={SOON_S:g}s")
    query = ("events", "--for=pod/virtual", "--types=Warning")
    assert eventually(lambda: 'no runtime for "kata" is configured' in cluster.kubectl(*query))
    assert columns(cluster, "pod", "virtual")[0][2] == "ContainerCreating"
    cluster.kubectl("delete", "pod", "ordinary", "virtual", f"--timeout={SOON_S:g}s")


def test_a_daemon_set_runs_on_the_node_and_is_updated(cluster: EmbeddedCluster) -> None:
    spec = {
        "selector": {"matchLabels": {"app": "daemon"}},
        "template": template("daemon", terminationGracePeriodSeconds=1),
    }
    apply(cluster, {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "daemon"}, "spec": spec})
    cluster.kubectl("rollout", "status", "daemonset/daemon", f"--timeout={SOON_S:g}s")
    cluster.kubectl("set", "image", "daemonset/daemon", "main=shell:2")
    cluster.kubectl("rollout", "status", "daemonset/daemon", f"--timeout={SOON_S:g}s")
    assert columns(cluster, "daemonset", "daemon")[0][1:6] == ["1"] * 5
    cluster.kubectl("rollout", "undo", "daemonset/daemon")
    cluster.kubectl("rollout", "status", "daemonset/daemon", f"--timeout={SOON_S:g}s")
    assert cluster.kubectl("get", "pods", "-l", "app=daemon", "-o", "jsonpath={..containers[0].image}") == "shell:1"
    cluster.kubectl("delete", "daemonset", "daemon", "--wait=false")


def test_jobs_by_index_and_by_the_clock(cluster: EmbeddedCluster) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "index:1"}]}
    spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "template": {"spec": pod}}
    often = {
        "schedule": "@every 1s",
        "jobTemplate": {"spec": {"template": {"spec": pod}}},
        "concurrencyPolicy": "Forbid",
    }
    apply(
        cluster,
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "parts"}, "spec": spec},
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "often"}, "spec": often},
    )
    cluster.kubectl("wait", "--for=condition=Complete", "job/parts", f"--timeout={SOON_S:g}s")
    job = json.loads(cluster.kubectl("get", "job", "parts", "-o", "json"))
    assert job["status"]["completedIndexes"] == "0-2"
    said = cluster.kubectl("logs", "-l", "job-name=parts", "--tail=-1").splitlines()
    assert sorted(said) == [f"{index} on parts-{index}" for index in range(3)]

    def ran() -> bool:
        status = json.loads(cluster.kubectl("get", "cronjob", "often", "-o", "json")).get("status") or {}
        return "lastSuccessfulTime" in status

    eventually(ran)
    cluster.kubectl("delete", "cronjob,job", "--all")


def test_a_pod_has_a_deadline_hooks_and_somebody_who_looks_in(cluster: EmbeddedCluster) -> None:
    hook = {
        "lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", "until [ -e /room/go ]; do sleep 0.1; done"]}}}
    }
    volume = {"volumes": [{"name": "work", "emptyDir": {}}]}
    mounts = {"volumeMounts": [{"name": "work", "mountPath": "/room"}]}
    apply(
        cluster,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "late"}, "spec": {
            "activeDeadlineSeconds": 1, "containers": [{"name": "main", "image": "shell:1"}]}},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "slow"}, "spec": {
            **volume, "containers": [{"name": "main", "image": "shell:1", **hook, **mounts}]}},
    )  # fmt: skip
    eventually(
        lambda: (
            ["Started"]
            in columns(
                cluster,
                "events",
                "--field-selector=involvedObject.name=slow,reason=Started",
                "-o",
                "custom-columns=R:.reason",
            )
        )
    )
    assert columns(cluster, "pod", "slow")[0][1:3] == ["0/1", "ContainerCreating"]
    cluster.kubectl("exec", "slow", "--", "touch", "/room/go")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/slow", f"--timeout={SOON_S:g}s")
    # Nothing is said before kubectl is attached, so nothing is missed.
    said = ("--", "sh", "-c", "read go; hostname")
    seen = cluster.kubectl("debug", "slow", "--image=look:1", "--container=eye", "-i", "--quiet", *said, stdin="go\n")
    assert seen.strip().splitlines()[-1] == "slow"

    said = ("--target=main", "--", "sh", "-c", "read go; cat /proc/1/comm")
    seen = cluster.kubectl("debug", "slow", "--image=look:1", "--container=ear", "-i", "--quiet", *said, stdin="go\n")
    assert seen.strip().splitlines()[-1] == "sh"

    def ended() -> bool:
        status = json.loads(cluster.kubectl("get", "pod", "slow", "-o", "json"))["status"]
        looked = status["ephemeralContainerStatuses"]
        return {one["name"] for one in looked if one["state"].get("terminated")} == {"eye", "ear"}

    eventually(ended)
    assert columns(cluster, "pod", "slow")[0][1:3] == ["1/1", "Running"]

    def outcome() -> tuple[str, str]:
        status = json.loads(cluster.kubectl("get", "pod", "late", "-o", "json"))["status"]
        return status["phase"], status.get("reason", "")

    eventually(lambda: outcome() == ("Failed", "DeadlineExceeded"))
    cluster.kubectl("delete", "pod", "slow", "late", "--now", "--wait=false")


def test_services_nodes_and_the_server_itself_are_looked_at_through_the_api(cluster: EmbeddedCluster) -> None:
    apply(
        cluster,
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {
            "containers": [{"name": "main", "image": "web:1", "readinessProbe": {"tcpSocket": {"port": 8080}}}]}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
            "selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}},
    )  # fmt: skip
    cluster.kubectl("wait", "--for=condition=Ready", "pod/web", f"--timeout={SOON_S:g}s")
    for name in ("web", "web:80", "http:web:http"):
        answer = eventually(lambda name=name: raw(cluster, f"/api/v1/namespaces/default/services/{name}/proxy/"))
        assert "Directory listing" in answer
    check_the_nodes_pages(cluster)
    assert 'apiserver_request_total{code="200"' in raw(cluster, "/metrics")
    assert raw(cluster, "/readyz?verbose").endswith("readyz check passed\n")


def check_the_nodes_pages(cluster: EmbeddedCluster) -> None:
    node = "/api/v1/nodes/crossfade/proxy"
    assert raw(cluster, f"{node}/healthz") == "ok"
    for page in ("pods", "runningpods/"):
        assert "web" in [pod["metadata"]["name"] for pod in json.loads(raw(cluster, f"{node}/{page}"))["items"]]
    of_web = 'container="main",namespace="default",pod="web"'
    for page, series in (
        ("resource", f"container_memory_working_set_bytes{{{of_web}}} "),
        ("cadvisor", 'container_network_receive_bytes_total{container="",'),
        ("probes", f"prober_probe_total{{{of_web},"),
    ):
        assert series in raw(cluster, f"{node}/metrics/{page}")
    assert 'kubelet_running_containers{container_state="running"} ' in raw(cluster, f"{node}/metrics")
    summary = json.loads(raw(cluster, f"{node}/stats/summary"))
    (web,) = (pod for pod in summary["pods"] if pod["podRef"]["name"] == "web")
    assert web["containers"][0]["memory"]["workingSetBytes"] > 0
    assert web["network"]["rxBytes"] > 0
    assert json.loads(raw(cluster, f"{node}/configz"))["kubeletconfig"]["clusterDNS"] == ["10.96.0.10"]
    with pytest.raises(subprocess.CalledProcessError) as refused:
        cluster.kubectl("get", "--raw", f"{node}/logs/")
    assert "not served here" in refused.value.stderr


def raw(cluster: EmbeddedCluster, path: str) -> str:
    """Empty where it fails."""
    try:
        return cluster.kubectl("get", "--raw", path)
    except subprocess.CalledProcessError:
        return ""


def test_usage_is_shown_and_scales(cluster: EmbeddedCluster) -> None:
    busy = template("busy", container={"image": "busy:1", "resources": {"requests": {"cpu": "100m"}}})
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "busy"}}, "template": busy}
    apply(cluster, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "busy"}, "spec": spec})
    cluster.kubectl("rollout", "status", "deployment/busy", f"--timeout={SOON_S:g}s")

    def measured() -> bool:
        """Since it became ready: what a pod takes to start does not scale it."""
        path = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dbusy"
        pods = json.loads(cluster.kubectl("get", "pods", "-l", "app=busy", "-o", "json"))["items"]
        ready = next(one for one in pods[0]["status"]["conditions"] if one["type"] == "Ready")
        for item in json.loads(cluster.kubectl("get", "--raw", path))["items"]:
            since = datetime.fromisoformat(item["timestamp"]) - duration(item["window"])
            return since >= datetime.fromisoformat(ready["lastTransitionTime"])
        return False

    eventually(measured)
    ((name, cpu, memory),) = (
        line.split() for line in cluster.kubectl("top", "pods", "-l", "app=busy", "--no-headers").splitlines()
    )
    assert name.startswith("busy-")
    assert int(cpu.removesuffix("m")) > 100
    assert memory.endswith("Mi")
    assert cluster.kubectl("top", "nodes", "--no-headers").startswith("crossfade ")
    cluster.kubectl("autoscale", "deployment", "busy", "--min=1", "--max=3", "--cpu=50%")
    eventually(lambda: columns(cluster, "deployment", "busy")[0][3] == "3")
    ((_, reference, _, usage, *_),) = columns(cluster, "hpa", "busy")
    assert reference == "Deployment/busy"
    assert int(usage.removesuffix("%/50%")) > 100
    said = cluster.kubectl("describe", "hpa", "busy")
    assert "New size: 3; reason: cpu resource utilization (percentage of request) above target" in said
    cluster.kubectl("delete", "hpa", "busy")
    cluster.kubectl("delete", "deployment", "busy", "--wait=false")
