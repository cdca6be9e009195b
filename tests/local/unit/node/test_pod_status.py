"""A pod's status from what its containers do."""

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.status import (
    DEADLINE_EXCEEDED,
    ContainerReport,
    PodReport,
    Running,
    State,
    Terminated,
    Waiting,
    history_of,
    pod_phase,
    pod_status,
    seconds_left,
)

NOW = "2026-01-02T03:04:05Z"
EARLIER = "2026-01-01T00:00:00Z"
RUNNING = Running(EARLIER)
DONE = Terminated(0, "Completed", EARLIER, NOW)
CRASHED = Terminated(3, "Error", EARLIER, NOW)
WAITING = Waiting("ContainerCreating")
BACK_OFF = Waiting("CrashLoopBackOff")


def one(state: State, *, last: Terminated | None = None, ready: bool = False, name: str = "app") -> ContainerReport:
    return ContainerReport(name=name, image="i", state=state, last=last, ready=ready)


def report(*containers: ContainerReport, init: tuple[ContainerReport, ...] = ()) -> PodReport:
    return PodReport(init, containers, "10.244.0.16", "10.244.0.1", EARLIER, sandbox_ready=True)


def spec(policy: str = "Always", **more: object) -> JsonObject:
    return {"restartPolicy": policy, "containers": [{"name": "app"}], **more}


@pytest.mark.parametrize(
    ("policy", "containers", "init", "phase"),
    [
        ("Always", [one(WAITING)], [], "Pending"),
        ("Always", [one(RUNNING), one(WAITING)], [], "Pending"),
        ("Always", [one(RUNNING)], [one(RUNNING)], "Pending"),
        ("Always", [one(RUNNING)], [one(DONE)], "Running"),
        ("Always", [one(BACK_OFF, last=CRASHED)], [], "Running"),
        ("Always", [one(DONE)], [], "Running"),
        ("OnFailure", [one(DONE)], [], "Succeeded"),
        ("OnFailure", [one(BACK_OFF, last=CRASHED)], [], "Running"),
        ("Never", [one(DONE), one(CRASHED)], [], "Failed"),
        ("Never", [one(DONE), one(RUNNING)], [], "Running"),
        ("Never", [one(WAITING)], [one(CRASHED)], "Failed"),
    ],
)
def test_phase(policy: str, containers: list[ContainerReport], init: list[ContainerReport], phase: str) -> None:
    assert pod_phase(spec(policy), report(*containers, init=tuple(init))) == phase


def sidecar(state: State, *, started: bool = False, last: Terminated | None = None) -> ContainerReport:
    return ContainerReport(
        name="proxy", image="i", state=state, last=last, started=started, ready=started, restartable=True
    )


@pytest.mark.parametrize(
    ("policy", "container", "side", "phase"),
    [
        ("Always", one(WAITING), sidecar(WAITING), "Pending"),
        ("Always", one(WAITING), sidecar(RUNNING), "Pending"),
        ("Always", one(WAITING), sidecar(RUNNING, started=True), "Pending"),
        ("Always", one(RUNNING), sidecar(RUNNING, started=True), "Running"),
        ("Always", one(RUNNING), sidecar(RUNNING, last=CRASHED), "Running"),
        ("Always", one(RUNNING), sidecar(BACK_OFF, last=CRASHED), "Running"),
        ("Never", one(DONE), sidecar(RUNNING, started=True), "Running"),
        ("Never", one(DONE), sidecar(DONE), "Succeeded"),
        ("Never", one(DONE), sidecar(CRASHED), "Succeeded"),
        ("Never", one(CRASHED), sidecar(DONE), "Failed"),
        ("OnFailure", one(DONE), sidecar(CRASHED), "Succeeded"),
    ],
)
def test_phase_with_a_sidecar(policy: str, container: ContainerReport, side: ContainerReport, phase: str) -> None:
    assert pod_phase(spec(policy), report(container, init=(side,))) == phase


@pytest.mark.parametrize(
    ("policy", "end", "phase"),
    [("Always", DONE, "Succeeded"), ("OnFailure", CRASHED, "Failed"), ("Always", WAITING, "Failed")],
)
def test_pod_that_was_deleted_ends_whatever_its_policy(policy: str, end: State, phase: str) -> None:
    assert pod_phase(spec(policy), report(one(end))._replace(is_over=True)) == phase


def test_a_sidecar_counts_for_readiness_and_a_restart_of_it_does_not_undo_the_start() -> None:
    crashed = sidecar(BACK_OFF, last=CRASHED)
    status = pod_status({"spec": spec()}, report(one(RUNNING, ready=True), init=(crashed,)), former=[], now=NOW)
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [proxy]"
    assert conditions(status)["Initialized"] == ("True", None)


def conditions(status: JsonObject) -> dict[str, tuple[str, str | None]]:
    return {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}


def test_ready_pod() -> None:
    former = [{"type": "Initialized", "status": "True", "lastTransitionTime": EARLIER}]
    status = pod_status({"spec": spec()}, report(one(RUNNING, ready=True)), former=former, now=NOW)
    assert set(conditions(status).values()) == {("True", None)}
    times = {each["type"]: each["lastTransitionTime"] for each in status["conditions"]}
    assert times["Initialized"] == EARLIER
    assert times["Ready"] == NOW


def test_unready_pod_names_the_containers() -> None:
    status = pod_status({"spec": spec()}, report(one(RUNNING)), former=[], now=NOW)
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [app]"


@pytest.mark.parametrize(("gate", "expected"), [("True", "True"), ("False", "False"), (None, "False")])
def test_readiness_gate(gate: str | None, expected: str) -> None:
    former = [{"type": "example.org/gate", "status": gate}] if gate else []
    gated = spec(readinessGates=[{"conditionType": "example.org/gate"}])
    status = pod_status({"spec": gated}, report(one(RUNNING, ready=True)), former=former, now=NOW)
    assert conditions(status)["Ready"][0] == expected
    assert conditions(status)["ContainersReady"][0] == "True"


def test_completed_pod() -> None:
    status = pod_status({"spec": spec("Never")}, report(one(DONE)), former=[], now=NOW)
    assert conditions(status)["Ready"] == ("False", "PodCompleted")


def test_container_that_ran_when_the_node_was_lost() -> None:
    count, last = history_of({"restartCount": 2, "state": {"running": {"startedAt": EARLIER}}}, now=NOW)
    assert last
    assert (count, last.exit_code, last.reason, last.finished_at) == (3, 137, "ContainerStatusUnknown", NOW)


def test_container_that_never_ran_keeps_its_count() -> None:
    assert history_of({"restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull"}}}, now=NOW) == (0, None)


def test_container_in_back_off_keeps_its_last_end() -> None:
    ended = {"terminated": {"exitCode": 3, "reason": "Error", "startedAt": EARLIER, "finishedAt": NOW}}
    assert history_of({"restartCount": 4, "state": {"waiting": {}}, "lastState": ended}, now=NOW) == (4, CRASHED)


def test_a_pod_past_its_deadline_has_failed_whatever_its_containers_do() -> None:
    late = report(one(RUNNING, ready=True))._replace(failure=DEADLINE_EXCEEDED)
    status = pod_status({"spec": spec()}, late, former=(), now=NOW)
    assert (status["phase"], status["reason"], status["message"]) == ("Failed", *DEADLINE_EXCEEDED)


@pytest.mark.parametrize(
    ("deadline_s", "left_s"), [(None, None), (60, 0.0), (97445, 0.0), (97446, 1.0), (2**31 - 1, 2147386202.0)]
)
def test_the_deadline_counts_from_the_start(deadline_s: int | None, left_s: float | None) -> None:
    assert seconds_left({"activeDeadlineSeconds": deadline_s}, EARLIER, NOW) == left_s


def test_ephemeral_containers_are_shown_and_decide_nothing() -> None:
    looked_at = report(one(RUNNING, ready=True))._replace(ephemeral_containers=[one(CRASHED, name="eye")])
    status = pod_status({"spec": spec()}, looked_at, former=(), now=NOW)
    assert (status["phase"], status["ephemeralContainerStatuses"][0]["name"]) == ("Running", "eye")
    assert {item["type"]: item["status"] for item in status["conditions"]}["Ready"] == "True"
