"""What keeps pods within their limits of processor time, memory and local storage, with the real kubectl."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.cgroups import CgroupsUnavailableError, candidates, make_group, remove_group
from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.polling import SOON_S, eventually

pytestmark = pytest.mark.cluster

EATER = "import time; held = b'x' * (96 << 20); time.sleep(600)"
IMAGES = f"""
- {{match: "shell:*", argv: [sh, -c, "trap 'exit 0' TERM; sleep infinity & wait"], user: 65534}}
- {{match: "look:*", argv: [sh]}}
- {{match: "eater:*", argv: [python3, -c, "{EATER}"]}}
- {{match: "busy:*", argv: [sh, -c, "trap 'exit 0' TERM; while :; do :; done"]}}
"""


def _can_make_groups() -> bool:
    here = Path(__file__)
    try:
        make_group(here)
    except CgroupsUnavailableError:
        return False
    remove_group(here)
    return True


with_groups = pytest.mark.skipif(
    not _can_make_groups(), reason="no control groups with cpu and memory can be made here"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    directory = tmp_path_factory.mktemp("cluster")
    images = directory / "images.yaml"
    images.write_text(IMAGES)
    with embedded_cluster(directory / "data", "--bare", "--images", str(images)) as running:
        yield running


def apply_pod(cluster: EmbeddedCluster, name: str, *containers: dict[str, Any], **spec: Any) -> None:
    named = [{"name": f"c{number}", **one} for number, one in enumerate(containers)]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps({**pod, "spec": {"containers": named, **spec}}))


def status_of(cluster: EmbeddedCluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "pod", name, "-o", "json"))["status"]
    return found


def events_of(cluster: EmbeddedCluster, name: str) -> str:
    return cluster.kubectl("events", "--for", f"pod/{name}")


def limits(**amounts: str) -> dict[str, Any]:
    return {"limits": {name.replace("_", "-"): amount for name, amount in amounts.items()}}


@with_groups
def test_a_container_that_needs_too_much_memory_is_killed_and_said_to_be(cluster: EmbeddedCluster) -> None:
    apply_pod(cluster, "eater", {"image": "eater:1", "resources": limits(memory="48Mi")}, restartPolicy="Never")
    status = eventually(lambda: (found := status_of(cluster, "eater"))["phase"] == "Failed" and found)
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert cluster.kubectl("get", "pod", "eater").splitlines()[1].split()[2] == "OOMKilled"


@with_groups
def test_one_that_keeps_within_its_memory_lives_and_others_are_told_apart(cluster: EmbeddedCluster) -> None:
    apply_pod(
        cluster,
        "pair",
        {"image": "eater:1", "resources": limits(memory="256Mi")},
        {"image": "eater:1", "resources": limits(memory="48Mi")},
        restartPolicy="Never",
    )
    statuses = eventually(
        lambda: (
            len(found := status_of(cluster, "pair").get("containerStatuses", [])) == 2
            and "terminated" in found[1]["state"]
            and found
        )
    )
    assert "running" in statuses[0]["state"]
    assert statuses[1]["state"]["terminated"]["reason"] == "OOMKilled"
    cluster.kubectl("delete", "pod", "pair", "--grace-period=0", "--force")


def resize(cluster: EmbeddedCluster, name: str, **resources: dict[str, str]) -> None:
    patch = {"spec": {"containers": [{"name": "c0", "resources": resources}]}}
    cluster.kubectl("patch", "pod", name, "--subresource", "resize", "-p", json.dumps(patch))


def resized(cluster: EmbeddedCluster, name: str, **resources: dict[str, str]) -> bool:
    """The container has what the patch asked for, and nothing of the resize is left to do."""
    status = status_of(cluster, name)
    has = status["containerStatuses"][0]["resources"]
    kinds = {condition["type"] for condition in status["conditions"]}
    return all(has[key].items() >= amounts.items() for key, amounts in resources.items()) and not any(
        kind.startswith("PodResize") for kind in kinds
    )


@with_groups
def test_a_running_container_is_resized(cluster: EmbeddedCluster) -> None:
    resources = {"limits": {"cpu": "1", "memory": "256Mi"}, "requests": {"cpu": "10m", "memory": "10Mi"}}
    apply_pod(cluster, "grows", {"image": "eater:1", "resources": resources})
    cluster.kubectl("wait", "--for=condition=Ready", "pod/grows", f"--timeout={SOON_S:g}s")
    eventually(lambda: _memory_used(cluster, "grows") > 96 << 20)
    asked = {"limits": {"cpu": "500m", "memory": "300Mi"}, "requests": {"cpu": "20m"}}
    resize(cluster, "grows", **asked)
    assert eventually(lambda: resized(cluster, "grows", **asked))
    assert _memory_limit(cluster, "grows") == 300 << 20
    resize(cluster, "grows", limits={"memory": "16Mi"})
    (condition,) = eventually(lambda: _of_resize(cluster, "grows"))
    assert (condition["type"], condition["reason"]) == ("PodResizeInProgress", "Error")
    assert "bytes of memory in use" in condition["message"]
    resize(cluster, "grows", limits={"memory": "200Mi"})
    assert eventually(lambda: resized(cluster, "grows", limits={"memory": "200Mi"}))
    assert _memory_limit(cluster, "grows") == 200 << 20
    status = status_of(cluster, "grows")["containerStatuses"][0]
    assert (status["restartCount"], status["allocatedResources"]["cpu"]) == (0, "20m")
    cluster.kubectl("delete", "pod", "grows", "--now")


@with_groups
def test_a_container_that_had_no_limits_is_kept_within_those_that_it_gets(cluster: EmbeddedCluster) -> None:
    apply_pod(cluster, "free", {"image": "shell:1", "resources": {"requests": {"cpu": "10m", "memory": "10Mi"}}})
    cluster.kubectl("wait", "--for=condition=Ready", "pod/free", f"--timeout={SOON_S:g}s")
    resize(cluster, "free", limits={"memory": "64Mi"})
    assert eventually(lambda: resized(cluster, "free", limits={"memory": "64Mi"}))
    assert _memory_limit(cluster, "free") == 64 << 20
    groups = cluster.kubectl("exec", "free", "--", "sh", "-c", "cat /proc/1/cgroup /proc/self/cgroup")
    lines = [line for line in groups.splitlines() if line.split(":")[1] in ("", "memory")]
    assert lines
    assert all(line.endswith("/c0-0") for line in lines if line.split(":")[1] == "memory")
    assert any(line.endswith("/c0-0") for line in lines)
    cluster.kubectl("delete", "pod", "free", "--now")


def test_a_resize_restarts_the_container_where_its_policy_says_so(cluster: EmbeddedCluster) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    resources = {"requests": {"cpu": "10m", "memory": "10Mi"}}
    container = {"image": "shell:1", "resources": resources, "resizePolicy": policy}
    apply_pod(cluster, "renewed", container, restartPolicy="OnFailure")
    cluster.kubectl("wait", "--for=condition=Ready", "pod/renewed", f"--timeout={SOON_S:g}s")
    resize(cluster, "renewed", requests={"cpu": "20m"})
    assert eventually(lambda: resized(cluster, "renewed", requests={"cpu": "20m"}))
    assert status_of(cluster, "renewed")["containerStatuses"][0]["restartCount"] == 0
    resize(cluster, "renewed", requests={"memory": "20Mi"})
    eventually(lambda: status_of(cluster, "renewed")["containerStatuses"][0]["restartCount"] == 1)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/renewed", f"--timeout={SOON_S:g}s")
    cluster.kubectl("delete", "pod", "renewed", "--now")


@with_groups
def test_a_container_that_is_resized_by_a_restart_may_have_had_more_in_use(cluster: EmbeddedCluster) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    resources = {"limits": {"cpu": "1", "memory": "256Mi"}, "requests": {"cpu": "10m", "memory": "10Mi"}}
    eater = {"image": "eater:1", "resources": resources, "resizePolicy": policy}
    apply_pod(cluster, "shrinks", eater, terminationGracePeriodSeconds=1)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/shrinks", f"--timeout={SOON_S:g}s")
    eventually(lambda: _memory_used(cluster, "shrinks") > 96 << 20)
    resize(cluster, "shrinks", limits={"cpu": "500m", "memory": "48Mi"})

    def ended() -> str:
        last = status_of(cluster, "shrinks")["containerStatuses"][0]["lastState"]
        return str(last.get("terminated", {}).get("reason"))

    # It is the same program, for which the new limit is too little.
    eventually(lambda: ended() == "OOMKilled")
    cluster.kubectl("delete", "pod", "shrinks", "--now")


def test_a_resize_waits_for_room_on_the_node(cluster: EmbeddedCluster) -> None:
    capacity = int(json.loads(cluster.kubectl("get", "node", "-o", "json"))["items"][0]["status"]["allocatable"]["cpu"])
    for name in ("one", "other"):
        apply_pod(cluster, name, {"image": "shell:1", "resources": {"requests": {"cpu": f"{capacity * 400}m"}}})
        cluster.kubectl("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={SOON_S:g}s")
    resize(cluster, "one", requests={"cpu": f"{capacity * 2000}m"})
    (condition,) = eventually(lambda: _of_resize(cluster, "one"))
    assert (condition["reason"], condition["message"].split(",")[0]) == (
        "Infeasible",
        "Node didn't have enough capacity: cpu",
    )
    resize(cluster, "one", requests={"cpu": f"{capacity * 700}m"})
    eventually(lambda: [one["reason"] for one in _of_resize(cluster, "one")] == ["Deferred"])
    cluster.kubectl("delete", "pod", "other", "--now")
    assert eventually(lambda: resized(cluster, "one", requests={"cpu": f"{capacity * 700}m"}))
    cluster.kubectl("delete", "pod", "one", "--now")


def _memory_limit(cluster: EmbeddedCluster, name: str) -> int:
    """Of the container's control group, in either version of the kernel's."""
    told = _told(cluster, name, "memory.max") | _told(cluster, name, "memory.limit_in_bytes")
    return int(next(iter(told)))


def _memory_used(cluster: EmbeddedCluster, name: str) -> int:
    told = _told(cluster, name, "memory.current") | _told(cluster, name, "memory.usage_in_bytes")
    return int(next(iter(told), 0))


def _of_resize(cluster: EmbeddedCluster, name: str) -> list[dict[str, Any]]:
    return [one for one in status_of(cluster, name)["conditions"] if one["type"].startswith("PodResize")]


@with_groups
def test_processor_time_is_limited_for_all_programs_of_a_container(cluster: EmbeddedCluster) -> None:
    apply_pod(cluster, "slow", {"image": "busy:1", "resources": limits(cpu="100m")}, terminationGracePeriodSeconds=1)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/slow", f"--timeout={SOON_S:g}s")
    own = cluster.kubectl("exec", "slow", "--", "cat", "/proc/1/cgroup", "/proc/self/cgroup")
    lines = [line for line in own.splitlines() if line.split(":")[1] in ("", "cpu")]
    assert lines
    assert any("/c0-0" in line for line in lines)
    assert eventually(lambda: _told(cluster, "slow", "cpu.stat").get("nr_throttled", "0") != "0")
    cluster.kubectl("delete", "pod", "slow")


def _told(cluster: EmbeddedCluster, pod: str, file: str) -> dict[str, str]:
    """What the group of the pod's container says in a file, by the first word of each line."""
    uid = cluster.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
    found = [*Path("/sys/fs/cgroup").rglob(f"pod{uid}/c0-0/{file}")]
    lines = [line.partition(" ") for one in found for line in one.read_text().splitlines()]
    return {first: rest for first, _, rest in lines}


@with_groups
def test_control_groups_go_with_their_pods(cluster: EmbeddedCluster) -> None:
    apply_pod(cluster, "gone", {"image": "shell:1", "resources": limits(memory="64Mi")})
    cluster.kubectl("wait", "--for=condition=Ready", "pod/gone", f"--timeout={SOON_S:g}s")
    uid = cluster.kubectl("get", "pod", "gone", "-o", "jsonpath={.metadata.uid}")
    assert [*Path("/sys/fs/cgroup").rglob(f"pod{uid}")]
    cluster.kubectl("delete", "pod", "gone")
    eventually(lambda: not [*Path("/sys/fs/cgroup").rglob(f"pod{uid}")])


@with_groups
def test_a_cluster_that_was_killed_leaves_no_group_when_it_is_deleted(tmp_path: Path) -> None:
    with embedded_cluster(tmp_path / "data", "--bare") as cluster:
        (place,) = {group.cpu.name for group in candidates(cluster.data_dir) if group.cpu.exists()}
        status = json.loads(cluster.crossfade("status", "--data-dir", str(cluster.data_dir), "--output", "json").stdout)
        os.kill(status["pid"], signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{status['pid']}").exists())
        assert [*Path("/sys/fs/cgroup").rglob(place)]
        down = cluster.crossfade("down", "--delete", "--data-dir", str(cluster.data_dir))
        assert down.returncode == 0, down.stderr
        assert not [*Path("/sys/fs/cgroup").rglob(place)]


def test_an_empty_dir_in_memory_is_full_at_its_limit(cluster: EmbeddedCluster) -> None:
    volume = {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    mount = {"volumeMounts": [{"name": "fast", "mountPath": "/fast"}]}
    apply_pod(cluster, "memory", {"image": "shell:1", **mount}, volumes=[volume], terminationGracePeriodSeconds=1)
    cluster.kubectl("wait", "--for=condition=Ready", "pod/memory", f"--timeout={SOON_S:g}s")
    told = cluster.kubectl("exec", "memory", "--", "stat", "--file-system", "--format=%T %b %S", "/fast")
    kind, blocks, size = told.split()
    assert (kind, int(blocks) * int(size)) == ("tmpfs", 1 << 20)
    said = cluster.kubectl(
        "exec", "memory", "--", "sh", "-c", "head -c 2000000 /dev/zero > /fast/file || stat --format=%s /fast/file"
    )
    assert int(said) == 1 << 20
    cluster.kubectl("delete", "pod", "memory")


def test_a_pod_that_outgrows_an_empty_dir_is_evicted(cluster: EmbeddedCluster) -> None:
    volume = {"name": "disk", "emptyDir": {"sizeLimit": "1Mi"}}
    mount = {"volumeMounts": [{"name": "disk", "mountPath": "/disk"}]}
    apply_pod(cluster, "large", {"image": "shell:1", **mount}, volumes=[volume])
    cluster.kubectl("wait", "--for=condition=Ready", "pod/large", f"--timeout={SOON_S:g}s")
    cluster.kubectl("exec", "large", "--", "sh", "-c", "head -c 3000000 /dev/zero > /disk/file")
    status = eventually(lambda: (found := status_of(cluster, "large"))["phase"] == "Failed" and found)
    assert status["reason"] == "Evicted"
    assert status["message"] == 'Usage of EmptyDir volume "disk" exceeds the limit "1Mi". '
    assert 'exceeds the limit "1Mi"' in eventually(lambda: events_of(cluster, "large").partition("Evicted")[2])


def test_what_containers_write_beside_volumes_counts_too(cluster: EmbeddedCluster) -> None:
    apply_pod(cluster, "writer", {"image": "shell:1", "resources": limits(ephemeral_storage="1Mi")})
    cluster.kubectl("wait", "--for=condition=Ready", "pod/writer", f"--timeout={SOON_S:g}s")
    cluster.kubectl("exec", "writer", "--", "sh", "-c", "head -c 3000000 /dev/zero > /tmp/file")
    status = eventually(lambda: (found := status_of(cluster, "writer"))["phase"] == "Failed" and found)
    assert status["reason"] == "Evicted"
    assert status["message"] == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
