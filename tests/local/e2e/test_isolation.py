"""What docs/security.md promises of the embedded cluster's pods: one test a line of its table."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.preflight import Mode
from tests.local.reliability.remains import children_of, node_of
from tests.support.cluster import EmbeddedCluster
from tests.support.cluster_owner import ClusterOwner
from tests.support.polling import SOON_S, eventually

pytestmark = [pytest.mark.cluster, pytest.mark.every_mode]

IMAGES = """
- {match: "shell:*", argv: [sh, -c, "trap 'exit 0' TERM; sleep infinity & wait"]}
- {match: "deaf:*", argv: [sleep, infinity]}
"""
KEY = "key-of-another-pod"
WRITER_UID, GROUP = 1000, 1337


@pytest.fixture(scope="module")
def home(owner: ClusterOwner) -> Path:
    return owner.folder("isolation")


@pytest.fixture(scope="module")
def second_name(owner: ClusterOwner, home: Path) -> Iterator[Path | None]:
    """A bind mount of the directory that the data directory is in, as with a disk that is mounted twice; root only."""
    if os.geteuid():
        yield None
        return
    alias = owner.folder("alias")
    subprocess.run(["mount", "--bind", home, alias], check=True)
    yield alias
    subprocess.run(["umount", alias], check=True)


@pytest.fixture(scope="module")
def cluster(owner: ClusterOwner, home: Path, second_name: Path | None) -> Iterator[EmbeddedCluster]:
    images = home / "images.yaml"
    images.write_text(IMAGES)
    wanted = pods()
    if second_name:
        wanted.append(pod("aliased", container(mounts=("all:/machine",)), volumes={"all": host_path(second_name)}))
    with owner.cluster(home, "--bare", "--images", str(images)) as running:
        running.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}))
        names = [f"pod/{one['metadata']['name']}" for one in wanted]
        running.kubectl("wait", "--for=condition=Ready", f"--timeout={SOON_S:g}s", *names)
        yield running


def pod(name: str, *containers: dict[str, Any], volumes: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """`volumes` are sources by name."""
    listed = [{"name": key, **source} for key, source in (volumes or {}).items()]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": list(containers) or [container()], "volumes": listed, **spec},
    }


def container(
    name: str = "main", image: str = "shell:1", *, mounts: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    """`mounts` are `volume:path` or `volume:path:subPath`."""
    split = [mount.split(":") for mount in mounts]
    listed = [{"name": one[0], "mountPath": one[1], **({"subPath": one[2]} if len(one) > 2 else {})} for one in split]
    return {"name": name, "image": image, "volumeMounts": listed, **more}


def host_path(path: Path | str) -> dict[str, Any]:
    return {"hostPath": {"path": str(path)}}


def pods() -> list[dict[str, Any]]:
    privileged = {"privileged": True, "capabilities": {"add": ["SYS_ADMIN", "MKNOD", "DAC_READ_SEARCH"]}}
    return [
        pod("owner", container(env=[{"name": "KEY", "value": KEY}])),
        pod("alone", container(), container("beside")),
        pod("together", container(image="deaf:1"), container("beside"), shareProcessNamespace=True),
        pod("deaf", container(image="deaf:1")),
        pod("machine", container(mounts=("all:/machine",)), volumes={"all": host_path("/")}),
        pod("strong", container(securityContext=privileged)),
        pod("filtered", securityContext={"seccompProfile": {"type": "RuntimeDefault"}}),
    ]


def run(cluster: EmbeddedCluster, name: str, script: str, *, within: str = "main") -> str:
    return cluster.kubectl("exec", name, "-c", within, "--", "sh", "-c", script)


def refusal(cluster: EmbeddedCluster, wanted: dict[str, Any]) -> str:
    """The Events of a pod that does not start."""
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wanted))
    selector = f"--field-selector=involvedObject.name={wanted['metadata']['name']},type=Warning"
    return str(eventually(lambda: cluster.kubectl("get", "events", selector, "-o", "jsonpath={.items[*].message}")))


# -- processes -------------------------------------------------------------------------------------------------------


def test_a_container_sees_its_own_processes_only(cluster: EmbeddedCluster) -> None:
    seen = run(cluster, "alone", "cat /proc/[0-9]*/environ | tr '\\0' '\\n'; tr '\\0' ' ' < /proc/1/cmdline")
    assert "KEY=" not in seen
    assert seen.rstrip().endswith("wait")
    assert int(run(cluster, "alone", "ls -d /proc/[0-9]* | wc -l")) <= 6


def test_process_1_is_the_command_and_gets_only_signals_that_it_handles(cluster: EmbeddedCluster) -> None:
    assert run(cluster, "deaf", "cat /proc/1/comm; kill 1; kill -KILL 1; cat /proc/1/comm").split() == ["sleep"] * 2
    started = time.monotonic()
    cluster.kubectl("delete", "pod", "deaf", "--grace-period=1")
    assert 1 <= time.monotonic() - started < SOON_S


def test_containers_that_share_processes_see_each_other_and_no_other_pod(cluster: EmbeddedCluster) -> None:
    seen = run(cluster, "together", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", within="beside")
    assert seen.count("sleep infinity") >= 2
    assert "trap 'exit 0'" in seen
    # Orphans are reaped by the pod's own process 1, and a container's end takes what it started.
    run(cluster, "together", "(sleep 0.1 &) ; setsid sleep 86397 & sleep 0.3; ! grep -l zombie /proc/[0-9]*/status")
    run(cluster, "together", "kill $(pgrep -f '^sh -c trap')")
    eventually(lambda: "86397" in run(cluster, "together", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", within="main"))


def test_terminals_are_the_containers_own(cluster: EmbeddedCluster) -> None:
    assert run(cluster, "alone", "ls /dev/pts").split() == ["ptmx"]
    shown = subprocess.run(
        ["script", "-qec", f"kubectl --kubeconfig {cluster.kubeconfig} exec -it alone -- tty", "/dev/null"],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True, stdin=subprocess.DEVNULL, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert "/dev/pts/0" in shown.stdout


def test_ipc_is_the_pods_own(cluster: EmbeddedCluster) -> None:
    run(cluster, "owner", "ipcmk -M 64 >/dev/null")
    count = "ipcs -m | grep -c 0x || true"
    assert (run(cluster, "owner", count).strip(), run(cluster, "alone", count).strip()) == ("1", "0")
    assert run(cluster, "owner", "readlink /proc/self/ns/ipc") != run(cluster, "alone", "readlink /proc/self/ns/ipc")


def test_containers_begin_after_the_node_has_asked_a_grpc_probe(cluster: EmbeddedCluster) -> None:
    """gRPC has threads of its own, which a fork must not touch."""
    asked = pod("asked", container(readinessProbe={"grpc": {"port": 9999}, "periodSeconds": 1}))
    refusal(cluster, asked)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod("after-grpc")))
    cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={SOON_S:g}s", "pod/after-grpc")
    assert "ended unexpectedly" not in (cluster.data_dir / "logs/up.log").read_text()


# -- users -----------------------------------------------------------------------------------------------------------


def test_a_container_has_the_user_that_the_mode_can_give(owner: ClusterOwner, cluster: EmbeddedCluster) -> None:
    assert json.loads((cluster.data_dir / "run/up.json").read_text())["mode"] == owner.mode.value
    script = "mkdir -m 700 /volume/own && touch /volume/own/file; exec sleep 86396"
    written = {"exec": {"command": ["test", "-f", "/volume/own/file"]}, "periodSeconds": 1}
    writer = container(command=["sh", "-c", script], mounts=("volume:/volume",), readinessProbe=written)
    users = {"runAsUser": WRITER_UID, "runAsGroup": WRITER_UID, "fsGroup": GROUP}
    wanted = pod("writer", writer, volumes={"volume": {"emptyDir": {}}}, securityContext=users)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wanted))
    cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={SOON_S:g}s", "pod/writer")
    owns = "0:0" if owner.has_single_uid else f"{WRITER_UID}:{GROUP}"
    assert run(cluster, "writer", "stat -c %u:%g /volume/own/file").strip() == owns
    (process,) = children_of(node_of(cluster.data_dir), "sleep 86396")
    on_the_machine = Path(f"/proc/{process}").stat().st_uid
    if owner.mode is Mode.ROOT:
        assert on_the_machine == WRITER_UID
    elif owner.has_single_uid:
        assert on_the_machine == owner.uid
    else:
        assert on_the_machine not in (WRITER_UID, owner.uid)


# -- hostPath --------------------------------------------------------------------------------------------------------


def test_host_path_of_everything_shows_nothing_of_the_cluster(cluster: EmbeddedCluster) -> None:
    data = cluster.data_dir
    found = run(cluster, "machine", f"ls -A /machine{data}; ls -A /machine/run /machine/proc; test -d /machine/usr/bin")
    assert set(found.split()) == {"/machine/run:", "/machine/proc:"}


def test_a_link_in_a_host_path_leads_nowhere(owner: ClusterOwner, cluster: EmbeddedCluster) -> None:
    link = owner.folder("linked") / "keys"
    link.symlink_to(cluster.data_dir / "pki")
    assert "closed to pods" in refusal(cluster, pod("linked", volumes={"keys": host_path(link)}))


@pytest.mark.parametrize("kind", ["", "Directory", "DirectoryOrCreate", "File", "FileOrCreate"])
def test_host_path_into_the_data_directory_is_refused(cluster: EmbeddedCluster, kind: str) -> None:
    name = f"inside-{kind.lower() or 'any'}"
    source = {"hostPath": {"path": f"{cluster.data_dir}/pki/{name}", "type": kind}}
    assert "closed to pods" in refusal(cluster, pod(name, volumes={"keys": source}))
    assert not (cluster.data_dir / "pki" / name).exists()


def test_a_second_name_of_the_data_directory_is_covered(cluster: EmbeddedCluster, second_name: Path | None) -> None:
    if second_name is None:
        pytest.skip("only root can mount")
    seen = run(cluster, "aliased", "ls -A /machine /machine/data").split()
    assert seen == ["/machine:", "data", "images.yaml", "/machine/data:"]


def test_host_path_shows_no_socket(owner: ClusterOwner, cluster: EmbeddedCluster) -> None:
    """Another one, in a folder that is closed to an ordinary user, keeps no pod from starting."""
    folder = owner.folder("engine")
    with (
        socket.socket(socket.AF_UNIX) as engine,
        socket.socket(socket.AF_UNIX) as of_another,
        tempfile.TemporaryDirectory() as closed,
    ):
        engine.bind(str(folder / "s"))
        engine.listen()
        of_another.bind(f"{closed}/s")
        assert "closed to pods" in refusal(cluster, pod("plugged", volumes={"engine": host_path(folder / "s")}))
        wanted = pod("near", container(mounts=("all:/machine",)), volumes={"all": host_path(folder)})
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(wanted))
        cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={SOON_S:g}s", "pod/near")
        assert run(cluster, "near", "test -S /machine/s || stat -c %a%s /machine/s").strip() == "00"


def test_host_path_gives_no_device_and_no_rights(cluster: EmbeddedCluster) -> None:
    script = (
        "(: < /machine/dev/zero) 2>/dev/null && echo opened; cd /machine; touch sys/x 2>/dev/null && echo wrote; true"
    )
    assert run(cluster, "machine", script) == ""
    options = run(cluster, "machine", "grep ' /machine ' /proc/self/mountinfo").split()[5].split(",")
    assert {"nosuid", "nodev"} <= set(options)


def test_links_in_volumes_lead_out_of_no_container(cluster: EmbeddedCluster) -> None:
    """A link that an init container leaves, taken by subPath and as part of a mount path."""
    target = cluster.data_dir / "pki"
    up = "../" * 20
    make = container("make", mounts=("v:/v",), command=["ln", "-s", f"{up}{target}", "/v/out"])
    volumes = {"v": {"emptyDir": {}}, "w": {"emptyDir": {}}}
    by_sub_path = pod("by-sub-path", container(mounts=("v:/k:out",)), initContainers=[make], volumes=volumes)
    assert 'subPath "out" leads out of its volume' in refusal(cluster, by_sub_path)
    by_path = pod("by-path", container(mounts=("v:/v", "w:/v/out/w")), initContainers=[make], volumes=volumes)
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(by_path))
    cluster.kubectl("wait", "--for=condition=Ready", f"--timeout={SOON_S:g}s", "pod/by-path")
    assert run(cluster, "by-path", "ls -A /v/out/").split() == ["w"]
    assert not (target / "w").exists()


# -- privileges ------------------------------------------------------------------------------------------------------


def test_no_capability_reaches_the_machine(cluster: EmbeddedCluster) -> None:
    script = (
        "umount /proc/sys 2>/dev/null && echo uncovered; mount -t tmpfs none /mnt 2>/dev/null && echo mounted; "
        "mknod /tmp/sda b 8 0 2>/dev/null && echo made; hostname x 2>/dev/null && echo named; "
        "echo x 2>/dev/null > /proc/sys/kernel/core_pattern && echo set; true"
    )
    assert run(cluster, "strong", script) == ""
    assert run(cluster, "strong", "ip link set lo down && echo own network").strip() == "own network"


def test_refused_system_calls(cluster: EmbeddedCluster) -> None:
    """Of the command as of what exec starts beside it."""
    assert run(cluster, "filtered", "grep -h ^Seccomp: /proc/1/status /proc/self/status").split()[1::2] == ["2", "2"]
    said = run(cluster, "filtered", "unshare --user true 2>&1 || true")
    assert "Operation not permitted" in said


def test_secrets_of_volumes_are_in_memory(cluster: EmbeddedCluster) -> None:
    kind = run(cluster, "owner", "stat -f -c %T /var/run/secrets/kubernetes.io/serviceaccount").strip()
    assert kind == "tmpfs"
    cluster.kubectl("create", "secret", "generic", "hidden", "--from-literal=word=abracadabra")
    assert b"YWJyYWNhZGFicmE" not in b"".join(path.read_bytes() for path in cluster.data_dir.glob("state.db*"))
    assert (cluster.data_dir / "secrets.key").stat().st_mode & 0o777 == 0o600
    assert not list(cluster.data_dir.glob("pods/*/volumes/*/token"))
