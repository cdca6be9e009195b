"""Sidecars begin before their applications and end after them, and nobody loses a request while pods come and go."""

import os
import re
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.admissions import pods_admitted
from tests.support.cluster import process_1_of
from tests.support.gateway import eventually
from tests.support.mesh_lab import NAMESPACE, Cell, MeshLab, client_pod, mesh_lab, version_of

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

SERVER = Cell("server")
RATE, SECONDS = 40.0, 14.0
AWAY_S = 30.0
KINDS = ("native", "classic")
CARRIED = {"crossfade.dev/http2-between-proxies": "enabled"}


@pytest.fixture(scope="module")
def lab() -> Iterator[MeshLab]:
    with mesh_lab() as running:
        running.deploy(SERVER)
        running.wait_for_gateway(SERVER)
        yield running


def caller(lab: MeshLab, name: str, script: str, *, kind: str, **spec: object) -> None:
    pod = client_pod(name, {"name": "main", "image": "shell:1", "command": ["sh", "-c", script]}, **spec)
    pod["metadata"]["annotations"] = {"crossfade.dev/sidecar": kind}
    lab.apply(pod)


CALL = f"curl -s -m 5 -o /dev/null -w '%{{http_code}} ' http://{SERVER.host}:{SERVER.port}/"


def test_the_first_call_of_an_application_is_answered_and_its_pod_completes(lab: MeshLab) -> None:
    caller(lab, "early", CALL, kind="native")
    lab.kubectl("wait", "pod/early", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    assert lab.kubectl("logs", "early", "-c", "main") == "200 "


@pytest.mark.parametrize("kind", KINDS)
def test_calls_of_an_application_that_ends_are_answered_to_the_last(lab: MeshLab, kind: str) -> None:
    name = f"late-{kind}"
    last = f"end() {{ for i in 1 2 3 4 5 6; do {CALL} >> /dev/termination-log; sleep 0.7; done; exit 0; }}"
    caller(lab, name, f"{last}; trap end TERM; while :; do sleep 0.1; done", kind=kind)
    lab.kubectl("wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    held = '{"metadata": {"finalizers": ["example.org/hold"]}}'
    lab.kubectl("patch", "pod", name, "--type=merge", "-p", held)
    begun = time.monotonic()
    lab.kubectl("delete", "pod", name, "--wait=false")
    lab.kubectl("wait", f"pod/{name}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    # The application takes 4 s; what its sidecar adds is bounded, whatever its kind.
    assert time.monotonic() - begun < 4 + 12
    message = "{.status.containerStatuses[?(@.name=='main')].state.terminated.message}"
    assert lab.kubectl("get", "pod", name, "-o", f"jsonpath={message}").split() == ["200"] * 6
    lab.kubectl("patch", "pod", name, "--type=merge", "-p", '{"metadata": {"finalizers": null}}')


def test_rollouts_lose_no_request(lab: MeshLab) -> None:
    """All at once; each alone, with more requests and events, is `make mesh-matrix`."""
    cells = (
        Cell("exits"),
        Cell("works-on", works_on_s=3),
        Cell("pre-stop", pre_stop_s=3, discovery="ENDPOINTS"),
        Cell("rpc", protocol="grpc", discovery="ENDPOINTS"),
        Cell("classic", works_on_s=3, annotations={"crossfade.dev/sidecar": "classic"}),
        Cell("carried", discovery="ENDPOINTS", replicas=2, node_annotations=CARRIED),
    )
    lab.deploy(*cells)
    callers = {cell.name: lab.call_in_mesh(cell, rate=RATE, seconds=SECONDS) for cell in cells}
    through = lab.call_through_gateway(cells[1], rate=RATE, seconds=SECONDS)
    for cell in cells:
        lab.kubectl("rollout", "restart", f"deployment/{cell.name}-v1")
    for cell in cells:
        lab.wait_until_rolled_out(cell.name)
    tallies = {name: one.result() for name, one in callers.items()} | {"through the gateway": through.result()}
    assert {name: tally.lost for name, tally in tallies.items() if tally.lost} == {}
    assert min(tally.sent for tally in tallies.values()) > RATE * SECONDS * 0.9


def test_callers_speak_http2_with_the_node_that_asks_for_it(lab: MeshLab) -> None:
    cell = Cell("spoken", node_annotations=CARRIED)
    lab.deploy(cell)
    calls = (
        f"{CALL}; {CALL.replace(SERVER.name, cell.name)}; curl -s '127.0.0.1:9901/stats?filter=upstream_cx_http2_total'"
    )
    caller(lab, "speaker", f"{calls}; echo", kind="native")
    lab.kubectl("wait", "pod/speaker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")
    connections = dict(
        re.findall(r"_(server|spoken)-v1_life_http_8080.*: (\d+)", lab.kubectl("logs", "speaker", "-c", "main"))
    )
    assert connections == {"server": "0", "spoken": "1"}


def test_nothing_is_lost_while_pods_without_sidecars_take_over_and_give_way_again(lab: MeshLab) -> None:
    cell = Cell("changing", works_on_s=3, replicas=2, node_annotations=CARRIED)
    bare = cell._replace(annotations={"appmesh.k8s.aws/sidecarInjectorWebhook": "disabled"})
    lab.deploy(cell)
    called = lab.call_in_mesh(cell, rate=RATE, seconds=2 * SECONDS)
    for each in (bare, cell):
        lab.apply(*version_of(each, "v1"))
        lab.wait_until_rolled_out(cell.name)
    tally = called.result()
    assert tally.lost == {}
    assert tally.sent > RATE * 2 * SECONDS * 0.9


KILL_ENVOY = "kill -9 $(cat /proc/$(cat /tmp/crossfade-proxy/pid)/task/*/children)"


@pytest.mark.parametrize("side", ["caller", "server"])
def test_connections_wait_for_an_envoy_that_was_killed(lab: MeshLab, side: str) -> None:
    """What was inside is lost, and what comes within the moment that it takes to notice; the container stays."""
    calling = lab.call_in_mesh(SERVER, rate=100, seconds=8)
    label = "app=server-v1" if side == "server" else f"caller={calling.name}"
    pod = lab.kubectl("get", "pods", "-l", label, "-o", "jsonpath={.items[0].metadata.name}")
    time.sleep(1)
    lab.kubectl("exec", pod, "-c", "envoy", "--", "sh", "-c", KILL_ENVOY)
    assert restarts_of(lab, pod) == "0"
    # An Envoy takes a third of a second to come back: 35 requests.
    assert calling.result().lost_count < 20


CONTROLLER = ("-n", "appmesh-system", "deployment/appmesh-controller")
TRIO = Cell("trio", replicas=3, discovery="ENDPOINTS")


@pytest.fixture(scope="module")
def trio(lab: MeshLab) -> Cell:
    lab.deploy(TRIO)
    return TRIO


def pods_of(lab: MeshLab, app: str) -> list[str]:
    return lab.kubectl("get", "pods", "-l", f"app={app}", "-o", "jsonpath={.items[*].metadata.name}").split()


def is_ready(lab: MeshLab, pod: str) -> bool:
    ready = "{.status.conditions[?(@.type=='Ready')].status}"
    return lab.kubectl("get", "pod", pod, "-o", f"jsonpath={ready}") == "True"


def restarts_of(lab: MeshLab, pod: str) -> str:
    restarts = "{.status.initContainerStatuses[?(@.name=='envoy')].restartCount}"
    return lab.kubectl("get", "pod", pod, "-o", f"jsonpath={restarts}")


def test_while_a_launcher_that_was_killed_is_replaced_the_other_pods_are_asked(lab: MeshLab, trio: Cell) -> None:
    """Its Envoy ends with it and its ports refuse until the kubelet has started the container again."""
    calling = lab.call_in_mesh(trio, rate=RATE, seconds=SECONDS)
    victim = pods_of(lab, "trio-v1")[0]
    # The launcher is process 1, so it is killed from outside.
    namespace = lab.kubectl("exec", victim, "-c", "envoy", "--", "readlink", "/proc/self/ns/pid").strip()
    os.kill(process_1_of(namespace), signal.SIGKILL)
    eventually(lambda: restarts_of(lab, victim) == "1" and is_ready(lab, victim))
    # What was inside the killed Envoy.
    assert calling.result().lost_count <= 2


def test_sidecars_serve_on_without_a_control_plane_and_one_that_was_killed_comes_back_with_it(
    lab: MeshLab, trio: Cell
) -> None:
    """Without a control plane a new Envoy gets no configuration: its pod is not Ready, and the others are asked."""
    victim = pods_of(lab, "trio-v1")[1]
    calling = lab.call_in_mesh(trio, rate=RATE, seconds=AWAY_S)
    lab.kubectl("scale", *CONTROLLER, "--replicas=0")
    try:
        lab.kubectl("wait", "-n", "appmesh-system", "pod", "--all", "--for=delete", "--timeout=60s")
        lab.kubectl("exec", victim, "-c", "envoy", "--", "sh", "-c", KILL_ENVOY)
        eventually(lambda: not is_ready(lab, victim))
        tally = calling.result()
        assert tally.sent > RATE * AWAY_S * 0.9
        # What was inside the killed Envoy.
        assert tally.lost_count <= 2
    finally:
        lab.kubectl("scale", *CONTROLLER, "--replicas=1")
    eventually(lambda: is_ready(lab, victim))
    assert restarts_of(lab, victim) == "0"


CONNECTED = "curl -s '127.0.0.1:9901/stats?filter=control_plane.connected_state'"


def test_sidecars_come_back_when_the_authority_was_lost(lab: MeshLab, trio: Cell) -> None:
    pods = [*pods_of(lab, "server-v1"), *pods_of(lab, f"{trio.name}-v1")]
    before = [restarts_of(lab, pod) for pod in pods]
    secret = ("-n", "appmesh-system", "secret", "appmesh-controller-webhook-server-cert")
    authority = "jsonpath={.data.ca\\.crt}"
    former = lab.kubectl("get", *secret, "-o", authority)
    lab.kubectl("delete", *secret)
    lab.kubectl("rollout", "restart", *CONTROLLER)
    lab.kubectl("rollout", "status", *CONTROLLER, "--timeout=90s")
    assert lab.kubectl("get", *secret, "-o", authority) != former

    def is_connected(pod: str) -> bool:
        return "connected_state: 1" in lab.kubectl("exec", pod, "-c", "envoy", "--", "sh", "-c", CONNECTED)

    # As long as the kubelet may take to carry a changed ConfigMap into a pod.
    eventually(lambda: all(is_connected(pod) for pod in pods))
    assert [restarts_of(lab, pod) for pod in pods] == before


def test_a_classic_sidecar_can_hold_its_application_back(lab: MeshLab) -> None:
    controller = "deployment/appmesh-controller"
    lab.kubectl("set", "env", "-n", "appmesh-system", controller, "CROSSFADE_WAIT_UNTIL_PROXY_READY=true")
    lab.kubectl("rollout", "status", "-n", "appmesh-system", controller, "--timeout=90s")
    # Without the hook the first call is refused: the sidecar takes longer to begin than a shell.
    caller(lab, "held", f"{CALL} >> /dev/termination-log; sleep infinity", kind="classic")
    lab.kubectl("wait", "pod/held", "--for=condition=Ready", "--timeout=60s")
    assert lab.kubectl("get", "pod", "held", "-o", "jsonpath={.spec.containers[*].name}") == "envoy main"
    first = "until [ -s /dev/termination-log ]; do sleep 0.1; done; cat /dev/termination-log"
    assert lab.kubectl("exec", "held", "-c", "main", "--", "sh", "-c", first).split() == ["200"]


def test_every_pod_is_injected_while_the_controller_is_rolled_out(lab: MeshLab) -> None:
    def is_replaced() -> bool:
        pods = lab.kubectl("get", "pods", "-n", "appmesh-system", "-o", "name").split()
        return len(pods) == 1 and pods != before

    before = lab.kubectl("get", "pods", "-n", "appmesh-system", "-o", "name").split()
    with pods_admitted(lab.kubeconfig, NAMESPACE, {"app": "client"}) as admissions:
        lab.kubectl("rollout", "restart", *CONTROLLER)
        eventually(is_replaced)
    assert admissions.lost == {}
    assert admissions.sent > 50
