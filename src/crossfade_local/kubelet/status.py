"""The status that Kubernetes would show for a pod, from what its containers are doing: pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet.resize import IN_PROGRESS, PENDING
from crossfade_local.lost_node import LOST_EXIT_CODE, LOST_MESSAGE, LOST_REASON
from crossfade_local.pod_resources import qos_class

_AMOUNTS: Final = ("limits", "requests")


class Waiting(NamedTuple):
    reason: str
    message: str = ""


class Running(NamedTuple):
    started_at: str


class Terminated(NamedTuple):
    exit_code: int
    reason: str
    started_at: str
    finished_at: str
    message: str = ""
    container_id: str = ""


State = Waiting | Running | Terminated


class ContainerReport(NamedTuple):
    """One container as seen now; `restartable` marks a sidecar among the init containers."""

    name: str
    image: str
    state: State
    last: Terminated | None = None
    restart_count: int = 0
    ready: bool = False
    started: bool = False
    container_id: str = ""
    restartable: bool = False
    resources: JsonObject | None = None
    """What it has; None before that is known."""


class PodReport(NamedTuple):
    init_containers: Sequence[ContainerReport]
    containers: Sequence[ContainerReport]
    pod_ip: str
    host_ip: str
    start_time: str
    sandbox_ready: bool
    is_over: bool = False
    """Nothing of the pod will run again, whatever its restart policy says."""
    failure: tuple[str, str] = ("", "")
    """Reason and message where the pod as a whole has failed, whatever its containers did."""
    ephemeral_containers: Sequence[ContainerReport] = ()
    resize: JsonObject | None = None
    """The condition of a resize that has not been carried out."""


DEADLINE_EXCEEDED = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


def seconds_left(spec: JsonObject, start_time: str, now: str) -> float | None:
    """Until activeDeadlineSeconds are over, not below 0; None where the pod has no deadline."""
    deadline_s = spec.get("activeDeadlineSeconds")
    if deadline_s is None:
        return None
    elapsed = datetime.fromisoformat(now) - datetime.fromisoformat(start_time)
    return float(max(deadline_s - elapsed.total_seconds(), 0))


def now_text(moment: datetime | None = None) -> str:
    return (moment or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod_status(pod: JsonObject, report: PodReport, *, former: Sequence[JsonObject], now: str) -> JsonObject:
    """The kubelet's part of `status`. `former` are the conditions as last seen, for their transition times."""
    spec = pod["spec"]
    phase = "Failed" if report.failure[0] else pod_phase(spec, report)
    wanted = _conditions(spec, report, phase, former)
    status: JsonObject = {
        "phase": phase,
        "conditions": [*(_with_time(condition, former, now) for condition in wanted), *_of_resize(report, former, now)],
        "hostIP": report.host_ip,
        "hostIPs": [{"ip": report.host_ip}],
        "startTime": report.start_time,
        "qosClass": qos_class(pod),
        "containerStatuses": [container_status(one) for one in report.containers],
    }
    if report.init_containers:
        status["initContainerStatuses"] = [container_status(one) for one in report.init_containers]
    if report.ephemeral_containers:
        status["ephemeralContainerStatuses"] = [container_status(one) for one in report.ephemeral_containers]
    if report.failure[0]:
        status["reason"], status["message"] = report.failure
    if report.pod_ip:
        # Merged by key, a list would keep the addresses of former lives.
        status |= {"podIP": report.pod_ip, "podIPs": [{"$patch": "replace"}, {"ip": report.pod_ip}]}
    return status


def pod_phase(spec: JsonObject, report: PodReport) -> str:
    """As the kubelet decides it: a pod stays Pending until every container has started once, and Running while a
    sidecar runs."""
    policy = spec.get("restartPolicy", "Always")
    if report.is_over:
        # Also of what never started: some wait for the end of a deleted pod.
        return _final_phase(policy, report)
    regular = [one for one in report.init_containers if not one.restartable]
    sidecars = [one for one in report.init_containers if one.restartable]
    if policy == "Never" and any(isinstance(one.state, Terminated) and one.state.exit_code for one in regular):
        return "Failed"
    if not all(map(_finished, regular)) or (any(map(_is_pending, sidecars)) and not _has_begun(report)):
        return "Pending"
    if any(isinstance(one.state, Waiting) and not one.last for one in (*report.containers, *sidecars)):
        return "Pending"
    if any(isinstance(one.state, Running) for one in (*report.containers, *sidecars)):
        return "Running"
    return _final_phase(policy, report)


def _final_phase(policy: str, report: PodReport) -> str:
    """Where nothing runs."""
    if policy == "Always" and not report.is_over:
        return "Running"
    ends = [one.state if isinstance(one.state, Terminated) else one.last for one in report.containers]
    if all(end and end.exit_code == 0 for end in ends):
        return "Succeeded"
    return "Failed" if policy == "Never" or report.is_over else "Running"


def _is_pending(sidecar: ContainerReport) -> bool:
    """Has not been started yet; one that ended and will be started again has been."""
    return not sidecar.started if isinstance(sidecar.state, Running) else not _has_run(sidecar)


def _has_run(container: ContainerReport) -> bool:
    return container.last is not None or not isinstance(container.state, Waiting)


def _has_begun(report: PodReport) -> bool:
    """Once a container that is none of the init containers has run, the pod stays initialized."""
    return any(map(_has_run, report.containers))


def container_status(report: ContainerReport) -> JsonObject:
    return {
        "name": report.name,
        "image": report.image,
        "imageID": report.image if report.container_id else "",
        "ready": report.ready,
        "started": report.started,
        "restartCount": report.restart_count,
        "state": _state(report.state),
        "lastState": _state(report.last) if report.last else {},
        **({"containerID": report.container_id} if report.container_id else {}),
        **_resources(report),
    }


def _resources(report: ContainerReport) -> JsonObject:
    if report.resources is None:
        return {}
    requests = report.resources.get("requests")
    allocated = {"allocatedResources": requests} if requests else {}
    return {**allocated, "resources": {key: report.resources[key] for key in _AMOUNTS if key in report.resources}}


def history_of(status: JsonObject, *, now: str) -> tuple[int, Terminated | None]:
    """Restart count and last end of a container that is about to be started again after the node was lost."""
    count = status.get("restartCount", 0)
    ended = _lost_end(status, now=now) or _terminated_from(status.get("state") or {})
    if ended is not None:
        return count + 1, ended
    return count, _terminated_from(status.get("lastState") or {})


def _lost_end(status: JsonObject, *, now: str) -> Terminated | None:
    """How to remember a container that ran when the node was lost; None if it was not running."""
    running = (status.get("state") or {}).get("running")
    if running is None:
        return None
    return Terminated(
        exit_code=LOST_EXIT_CODE,
        reason=LOST_REASON,
        started_at=running.get("startedAt") or now,
        finished_at=now,
        message=LOST_MESSAGE,
        container_id=status.get("containerID", ""),
    )


def _terminated_from(state: JsonObject) -> Terminated | None:
    """A recorded end, read back from a status."""
    ended = state.get("terminated")
    if not ended:
        return None
    return Terminated(
        exit_code=ended.get("exitCode", 0),
        reason=ended.get("reason", ""),
        started_at=ended.get("startedAt") or "",
        finished_at=ended.get("finishedAt") or "",
        message=ended.get("message", ""),
        container_id=ended.get("containerID", ""),
    )


def _state(state: State) -> JsonObject:
    match state:
        case Waiting(reason, message):
            return {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        case Running(started_at):
            return {"running": {"startedAt": started_at}}
        case Terminated():
            ended: JsonObject = {"exitCode": state.exit_code, "reason": state.reason}
            ended |= {"startedAt": state.started_at or None, "finishedAt": state.finished_at or None}
            ended |= {"message": state.message} if state.message else {}
            return {"terminated": ended | ({"containerID": state.container_id} if state.container_id else {})}


def _conditions(spec: JsonObject, report: PodReport, phase: str, former: Sequence[JsonObject]) -> Iterable[JsonObject]:
    sidecars = [one for one in report.init_containers if one.restartable]
    unready = [one.name for one in (*sidecars, *report.containers) if not one.ready]
    unfinished = [] if _has_begun(report) else [one.name for one in report.init_containers if not _finished(one)]
    yield {"type": "PodReadyToStartContainers", "status": _truth(report.sandbox_ready)}
    if unfinished and phase not in ("Succeeded", "Failed"):
        yield _false(
            "Initialized", "ContainersNotInitialized", f"containers with incomplete status: {_names(unfinished)}"
        )
    else:
        yield {"type": "Initialized", "status": "True"}
    if phase == "Succeeded":
        yield from (_false(kind, "PodCompleted", "") for kind in ("ContainersReady", "Ready"))
    elif phase == "Failed":
        yield from (_false(kind, "PodFailed", "") for kind in ("ContainersReady", "Ready"))
    elif unready or unfinished:
        message = f"containers with unready status: {_names(unready)}"
        yield from (_false(kind, "ContainersNotReady", message) for kind in ("ContainersReady", "Ready"))
    else:
        yield {"type": "ContainersReady", "status": "True"}
        yield _gated(spec, former)


def _of_resize(report: PodReport, former: Sequence[JsonObject], now: str) -> Iterable[JsonObject]:
    """It goes away with its reason."""
    if report.resize is not None:
        yield _with_time(report.resize, former, now)
    for kind in sorted({one["type"] for one in former} & {PENDING, IN_PROGRESS}):
        if report.resize is None or report.resize["type"] != kind:
            yield {"$patch": "delete", "type": kind}


def _gated(spec: JsonObject, former: Sequence[JsonObject]) -> JsonObject:
    """Ready, unless a readiness gate that another controller decides is not true."""
    true = {condition["type"] for condition in former if condition.get("status") == "True"}
    for gate in spec.get("readinessGates") or ():
        if gate["conditionType"] not in true:
            message = f'the status of pod readiness gate "{gate["conditionType"]}" is not "True", but False'
            return _false("Ready", "ReadinessGatesNotReady", message)
    return {"type": "Ready", "status": "True"}


def _finished(init: ContainerReport) -> bool:
    if init.restartable:
        return init.started
    return isinstance(init.state, Terminated) and init.state.exit_code == 0


def _with_time(condition: JsonObject, former: Sequence[JsonObject], now: str) -> JsonObject:
    """Reason and message are always set, so that a patch takes former ones away."""
    time = now
    for known in former:
        if known["type"] == condition["type"] and known.get("status") == condition["status"]:
            time = known.get("lastTransitionTime") or now
    return {"reason": None, "message": None, "lastProbeTime": None, **condition, "lastTransitionTime": time}


def _false(kind: str, reason: str, message: str) -> JsonObject:
    return {"type": kind, "status": "False", "reason": reason, **({"message": message} if message else {})}


def _truth(value: bool) -> str:
    return "True" if value else "False"


def _names(names: Sequence[str]) -> str:
    return f"[{' '.join(names)}]"
