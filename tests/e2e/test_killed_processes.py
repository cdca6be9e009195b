"""At night: processes of the mesh and the gateway are killed while a client goes on asking."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.cluster import EmbeddedCluster, crossfade
from tests.support.dj import READY_S, SOON_S, ask, dj_behind_the_gateway, gateway_pods, ingress, wait_for_status
from tests.support.gateway import eventually
from tests.support.ports import free_ports

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]
# With the admin port of a gateway.
GATEWAY_LAUNCHER = "launch --admin-port 9911 "


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with dj_behind_the_gateway(tmp_path_factory.mktemp("killed")) as running:
        running.kubectl("apply", "-f", "-", stdin=ingress("open", host="open.test"))
        wait_for_status(running, 200, "/jazz", host="open.test")
        eventually(lambda: not gateway_pods(running, ending=True), within_s=READY_S)
        yield running


def processes_of(cluster: EmbeddedCluster) -> dict[int, str]:
    """Command lines of all processes that descend from the cluster's `up`."""
    parents, lines = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                lines[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
    found = {up_of(cluster)}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: lines[pid] for pid in found if lines.get(pid)}


def up_of(cluster: EmbeddedCluster) -> int:
    status = crossfade("status", "--data-dir", str(cluster.data_dir), "-o", "json").stdout
    return int(json.loads(status)["pid"])


def kill(cluster: EmbeddedCluster, words: str, *, under: str = "", number: int = signal.SIGKILL) -> int:
    """The one process with these words in its command line, or its child if `under` names the parent's words."""
    lines = processes_of(cluster)
    (pid,) = [pid for pid, line in lines.items() if (under or words) in line and "local.init" not in line]
    if under:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        (pid,) = [int(child) for child in children if words in lines.get(int(child), "")]
    os.kill(pid, number)
    return pid


def alive(pids: Iterable[int]) -> list[str]:
    """What still runs; a dead process that its parent has not collected does not."""
    found = []
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z":
                found.append(f"{pid} {state} {Path(f'/proc/{pid}/cmdline').read_text()}")
    return found


def restarts(cluster: EmbeddedCluster, namespace: str, container: str) -> int:
    pods = json.loads(cluster.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"]
    states = [one for pod in pods for one in pod["status"]["containerStatuses"] if one["name"] == container]
    return sum(one["restartCount"] for one in states)


def all_ready(cluster: EmbeddedCluster) -> bool:
    try:
        pods = json.loads(cluster.kubectl("get", "pods", "-A", "-o", "json"))["items"]
    except subprocess.CalledProcessError:
        return False
    states = [one for pod in pods for one in pod["status"].get("containerStatuses", ())]
    return bool(states) and all(one["ready"] for one in states)


@contextmanager
def steady_client(cluster: EmbeddedCluster) -> Iterator[Counter[object]]:
    """Asks all the time, each time over a new connection; counts answers by status or error."""
    seen: Counter[object] = Counter()
    ends = threading.Event()

    def go_on() -> None:
        while not ends.is_set():
            try:
                seen[ask(cluster, "/jazz", host="open.test").status] += 1
            except OSError as error:
                seen[repr(error)] += 1
            ends.wait(0.01)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        eventually(lambda: seen[200] > 5, within_s=SOON_S, seen=seen)
        yield seen
        enough = seen.total() + 50
        eventually(lambda: seen.total() >= enough, within_s=SOON_S, seen=seen)
    finally:
        ends.set()
        thread.join()


@pytest.mark.parametrize(
    ("words", "namespace", "container"),
    [
        ("controller --role mesh", "appmesh-system", "controller"),
        ("controller --role gateway", "kong", "ingress-controller"),
    ],
)
def test_death_of_a_controller_disturbs_no_request(
    cluster: EmbeddedCluster, words: str, namespace: str, container: str
) -> None:
    before = restarts(cluster, namespace, container)
    with steady_client(cluster) as seen:
        kill(cluster, words)
        eventually(lambda: restarts(cluster, namespace, container) == before + 1, within_s=SOON_S)
        eventually(lambda: all_ready(cluster), within_s=READY_S)
    assert set(seen) == {200}
    name = f"after-{container}"
    cluster.kubectl("apply", "-f", "-", stdin=ingress(name, host=f"{name}.test"))
    wait_for_status(cluster, 200, "/jazz", host=f"{name}.test")


def test_death_of_the_api_server_disturbs_no_request_and_loses_nothing(cluster: EmbeddedCluster) -> None:
    with steady_client(cluster) as seen:
        cluster.kubectl("create", "configmap", "acknowledged", "-n", "prod", "--from-literal=a=b")
        kill(cluster, "crossfade_local.apiserver")
        eventually(lambda: all_ready(cluster), within_s=READY_S)
        assert "acknowledged" in cluster.kubectl("get", "configmaps", "-n", "prod")
    assert set(seen) == {200}
    cluster.kubectl("apply", "-f", "-", stdin=ingress("after-api", host="after-api.test"))
    wait_for_status(cluster, 200, "/jazz", host="after-api.test")
    tracebacks = [path for path in (cluster.data_dir / "logs").rglob("*.log") if b"Traceback" in path.read_bytes()]
    assert tracebacks == []


def test_killed_gateway_serves_again(cluster: EmbeddedCluster) -> None:
    before = restarts(cluster, "kong", "proxy")
    kill(cluster, GATEWAY_LAUNCHER)
    eventually(lambda: restarts(cluster, "kong", "proxy") == before + 1, within_s=READY_S)
    eventually(lambda: all_ready(cluster), within_s=READY_S)
    wait_for_status(cluster, 200, "/jazz", host="open.test")


def test_killed_envoy_of_a_gateway_serves_again_in_the_same_container(cluster: EmbeddedCluster) -> None:
    before = restarts(cluster, "kong", "proxy")
    killed = kill(cluster, "/envoy ", under=GATEWAY_LAUNCHER)
    eventually(lambda: not alive([killed]), within_s=READY_S)
    wait_for_status(cluster, 200, "/jazz", host="open.test")
    assert restarts(cluster, "kong", "proxy") == before


def test_stopped_envoy_of_a_gateway_goes_on_by_itself(cluster: EmbeddedCluster) -> None:
    before = restarts(cluster, "kong", "proxy")
    with steady_client(cluster) as seen:
        stopped = kill(cluster, "/envoy ", under=GATEWAY_LAUNCHER, number=signal.SIGSTOP)
        log = ("logs", "-n", "kong", "deploy/kong-kong", "-c", "proxy")
        eventually(lambda: "Envoy was stopped and goes on" in cluster.kubectl(*log), within_s=READY_S)
        eventually(lambda: f"{stopped} T" not in "".join(alive([stopped])), within_s=READY_S)
        assert alive([stopped])
    assert set(seen) == {200}
    assert restarts(cluster, "kong", "proxy") == before


def test_killed_node_takes_nothing_with_it(cluster: EmbeddedCluster) -> None:
    before = set(processes_of(cluster))
    kill(cluster, "crossfade_local.node")
    eventually(lambda: len(set(processes_of(cluster)) - before) > 20, within_s=READY_S)
    eventually(lambda: all_ready(cluster), within_s=READY_S)
    wait_for_status(cluster, 200, "/jazz", host="open.test")
    assert before & set(processes_of(cluster)) == {up_of(cluster)}


def test_down_and_up_bring_the_same_objects_back(cluster: EmbeddedCluster) -> None:
    def identities() -> set[str]:
        kinds = "deployments,services,ingresses,virtualnodes,virtualservices,virtualrouters,kongingresses,pods"
        columns = r'jsonpath={range .items[*]}{.metadata.uid}{"\n"}{end}'
        return set(cluster.kubectl("get", kinds, "-n", "prod", "-o", columns).split())

    before = identities()
    children = set(processes_of(cluster))
    assert crossfade("down", "--data-dir", str(cluster.data_dir)).returncode == 0
    assert alive(children) == []
    ports = [f"--http-port={cluster.gateway_url.rpartition(':')[2]}"]
    ports += [f"--{name}-port={port}" for name, port in zip(("api", "https"), free_ports(2), strict=True)]
    up = crossfade("up", "--detach", "--data-dir", str(cluster.data_dir), *ports)
    assert up.returncode == 0, up.stderr
    eventually(lambda: all_ready(cluster), within_s=READY_S)
    assert identities() == before
    wait_for_status(cluster, 200, "/jazz", host="open.test")


def test_down_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    ports = [f"--{name}-port={port}" for name, port in zip(("api", "http", "https"), free_ports(3), strict=True)]
    command = [sys.executable, "-m", "crossfade.cli", "up", "--data-dir", str(data_dir), *ports]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as up:
        eventually(lambda: (data_dir / "run/up.json").exists(), within_s=SOON_S)
        started = EmbeddedCluster(data_dir, "")
        children = set(processes_of(started))
        down = crossfade("down", "--data-dir", str(data_dir))
        assert down.returncode == 0, down.stderr
        up.communicate(timeout=SOON_S)
    assert alive(children) == []


def test_of_two_that_start_at_once_one_gives_way(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    command = [sys.executable, "-m", "crossfade.cli", "up", "--bare", "--detach", "--data-dir", str(data_dir)]
    try:
        both = [
            subprocess.Popen(
                [
                    *command,
                    *(f"--{name}-port={port}" for name, port in zip(("api", "http", "https"), ports, strict=True)),
                ],
                stderr=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                text=True,
            )
            for ports in (free_ports(3), free_ports(3))
        ]
        said = [one.communicate(timeout=60)[1] for one in both]
        assert sorted(one.returncode for one in both) == [0, 1], said
        loser = next(text for one, text in zip(both, said, strict=True) if one.returncode)
        assert f"already running in {data_dir}" in loser
        assert json.loads(crossfade("status", "--data-dir", str(data_dir), "-o", "json").stdout)["ready"]
    finally:
        crossfade("down", "--data-dir", str(data_dir))
