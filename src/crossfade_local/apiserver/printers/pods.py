"""A pod's row: its containers' states folded into one word."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.printers.columns import NONE, name_of
from crossfade_local.apiserver.printers.durations import age, parse_time, since
from crossfade_local.values.fields import flag, mapping, number, objects, text

_TERMINAL: Final = ("Succeeded", "Failed")
_DONE: Final = {
    "Succeeded": ("Succeeded", "The pod has completed successfully."),
    "Failed": ("Failed", "The pod failed."),
}


class _Restarts(NamedTuple):
    total: int = 0
    last: str = ""

    def plus(self, status: JsonObject) -> "_Restarts":
        ended = text(status, "lastState", "terminated", "finishedAt")
        later = parse_time(ended)
        earlier = parse_time(self.last)
        newest = ended if later and (earlier is None or later > earlier) else self.last
        return _Restarts(self.total + number(status, "restartCount"), newest)

    def shown(self, now: datetime) -> str:
        return f"{self.total} ({since(self.last, now)} ago)" if self.total and self.last else str(self.total)


class _Init(NamedTuple):
    """What the init containers say."""

    reason: str
    """Empty when initialization is over."""
    ready: int
    restarts: _Restarts
    sidecar_restarts: _Restarts


def pod_cells(pod: JsonObject, now: datetime, /) -> list[Any]:
    spec, status = mapping(pod, "spec"), mapping(pod, "status")
    sidecars = {text(item, "name") for item in objects(spec, "initContainers") if item.get("restartPolicy") == "Always"}
    init = _read_init(spec, status, sidecars)
    reason, ready, restarts = init.reason or _base_reason(status), init.ready, init.restarts
    if not init.reason or _condition(status, "Initialized"):
        reason, running, restarts = _read_containers(status, reason, init.sidecar_restarts)
        ready += running
    if pod.get("metadata", {}).get("deletionTimestamp"):
        if text(status, "reason") == "NodeLost":
            reason = "Unknown"
        elif text(status, "phase") not in _TERMINAL:
            reason = "Terminating"
    total = len(objects(spec, "containers")) + len(sidecars)
    addresses = [text(item, "ip") for item in objects(status, "podIPs")]
    return [
        name_of(pod),
        f"{ready}/{total}",
        reason,
        restarts.shown(now),
        age(pod, now),
        (addresses or [""])[0] or NONE,
        text(spec, "nodeName") or NONE,
        text(status, "nominatedNodeName") or NONE,
        _gates(spec, status),
    ]


def pod_row_conditions(pod: JsonObject) -> list[JsonObject]:
    """Lets clients grey out pods that are done."""
    done = _DONE.get(text(pod, "status", "phase"))
    if done is None:
        return []
    return [{"type": "Completed", "status": "True", "reason": done[0], "message": done[1]}]


def _base_reason(status: JsonObject) -> str:
    for condition in objects(status, "conditions"):
        if text(condition, "type") == "PodScheduled" and text(condition, "reason") == "SchedulingGated":
            return "SchedulingGated"
    return text(status, "reason") or text(status, "phase")


def _condition(status: JsonObject, kind: str) -> bool:
    return any(text(item, "type") == kind and text(item, "status") == "True" for item in objects(status, "conditions"))


def _read_init(spec: JsonObject, status: JsonObject, sidecars: set[str]) -> _Init:
    restarts, sidecar_restarts, ready = _Restarts(), _Restarts(), 0
    total = len(objects(spec, "initContainers"))
    for index, item in enumerate(objects(status, "initContainerStatuses")):
        restarts = restarts.plus(item)
        is_sidecar = text(item, "name") in sidecars
        if is_sidecar:
            sidecar_restarts = sidecar_restarts.plus(item)
        ended = mapping(item, "state").get("terminated")
        waiting = text(item, "state", "waiting", "reason")
        if isinstance(ended, dict) and not number(ended, "exitCode"):
            continue
        if is_sidecar and flag(item, "started"):
            ready += flag(item, "ready")
            continue
        if isinstance(ended, dict):
            reason = "Init:" + _ended(ended)
        elif waiting and waiting != "PodInitializing":
            reason = f"Init:{waiting}"
        else:
            reason = f"Init:{index}/{total}"
        return _Init(reason, ready, restarts, sidecar_restarts)
    return _Init("", ready, restarts, sidecar_restarts)


def _ended(ended: JsonObject) -> str:
    if text(ended, "reason"):
        return text(ended, "reason")
    signal = number(ended, "signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{number(ended, 'exitCode')}"


def _read_containers(status: JsonObject, reason: str, restarts: _Restarts) -> tuple[str, int, _Restarts]:
    running = 0
    for item in reversed(objects(status, "containerStatuses")):
        restarts = restarts.plus(item)
        state = mapping(item, "state")
        ended = state.get("terminated")
        if text(state, "waiting", "reason"):
            reason = text(state, "waiting", "reason")
        elif isinstance(ended, dict):
            reason = _ended(ended)
        elif flag(item, "ready") and isinstance(state.get("running"), dict):
            running += 1
    if reason == "Completed" and running:
        reason = "Running" if _condition(status, "Ready") else "NotReady"
    return reason, running, restarts


def _gates(spec: JsonObject, status: JsonObject) -> str:
    gates = [text(gate, "conditionType") for gate in objects(spec, "readinessGates")]
    if not gates:
        return NONE
    return f"{sum(_condition(status, gate) for gate in gates)}/{len(gates)}"
