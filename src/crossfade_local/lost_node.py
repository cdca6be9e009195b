"""What objects say after a node has ended with every process on it: nothing runs, so nothing is ready. Pure.

The API server of a fresh node takes it over before it answers anybody. The kubelet and the controllers tell the rest
as containers come back.
"""

from collections.abc import Callable
from typing import Final

from crossfade_kube.meta import JsonObject

LOST_EXIT_CODE: Final = 137
LOST_REASON: Final = "ContainerStatusUnknown"
LOST_MESSAGE: Final = "The container could not be located when the node came back"

# Counts that controllers derive from ready pods.
_COUNTS_OF_READY: Final = {
    "apps/deployments": ("readyReplicas", "availableReplicas"),
    "apps/replicasets": ("readyReplicas", "availableReplicas"),
    "apps/statefulsets": ("readyReplicas", "availableReplicas"),
    "apps/daemonsets": ("numberReady", "numberAvailable"),
    "/replicationcontrollers": ("readyReplicas", "availableReplicas"),
    "batch/jobs": ("ready",),
    "policy/poddisruptionbudgets": ("currentHealthy", "disruptionsAllowed"),
}
# Kinds that count what is missing, too: from which count, into which.
_MISSING: Final = {
    "apps/deployments": ("replicas", "unavailableReplicas"),
    "apps/daemonsets": ("desiredNumberScheduled", "numberUnavailable"),
}
# Zero is told by leaving these out; elsewhere the count is required.
_LEFT_OUT: Final = frozenset({"readyReplicas", "availableReplicas", "numberAvailable"})


def nothing_runs(bucket: str, obj: JsonObject, *, now: str) -> bool:
    """Changes the object of a bucket (`group/plural`) to what holds now; false when it holds already."""
    if bucket in _COUNTS_OF_READY:
        return _count_none(bucket, obj, now)
    change = _CHANGES.get(bucket)
    return change is not None and change(obj, now)


def _end_containers(pod: JsonObject, now: str) -> bool:
    status = pod.get("status") or {}
    if not (pod.get("spec") or {}).get("nodeName") or status.get("phase") in ("Succeeded", "Failed"):
        return False
    containers = [*(status.get("containerStatuses") or ()), *(status.get("ephemeralContainerStatuses") or ())]
    sidecars = [one for one in status.get("initContainerStatuses") or () if "running" in (one.get("state") or {})]
    changed = [_end_container(one, now) for one in (*containers, *sidecars)]
    names = " ".join(one["name"] for one in status.get("containerStatuses") or ())
    message = f"containers with unready status: [{names}]"
    changed += [_deny(status, kind, "ContainersNotReady", message, now) for kind in ("ContainersReady", "Ready")]
    changed.append(_deny(status, "PodReadyToStartContainers", "", "", now))
    # Another pod may get the address first.
    changed += [status.pop(key, None) is not None for key in ("podIP", "podIPs")]
    return any(changed)


def _end_container(status: JsonObject, now: str) -> bool:
    running = (status.get("state") or {}).get("running")
    changed = running is not None or bool(status.get("ready")) or bool(status.get("started"))
    status |= {"ready": False, "started": False}
    if running is not None:
        ended = {"exitCode": LOST_EXIT_CODE, "reason": LOST_REASON, "message": LOST_MESSAGE}
        ended |= {"startedAt": running.get("startedAt") or now, "finishedAt": now}
        if status.get("containerID"):
            ended["containerID"] = status["containerID"]
        status["state"] = {"terminated": ended}
    return changed


def _count_none(bucket: str, obj: JsonObject, now: str) -> bool:
    status = obj.get("status") or {}
    had = {key: status[key] for key in _COUNTS_OF_READY[bucket] if status.get(key)}
    if not had:
        return False
    for key in had:
        if key in _LEFT_OUT:
            del status[key]
        else:
            status[key] = 0
    if bucket in _MISSING:
        source, target = _MISSING[bucket]
        status[target] = status.get(source) or 0
    if bucket == "apps/deployments":
        text = "Deployment does not have minimum availability."
        _deny(status, "Available", "MinimumReplicasUnavailable", text, now)
    return True


def _empty_slice(found: JsonObject, _now: str) -> bool:
    """Endpoints without a pod behind them are somebody's own and stay."""
    changed = False
    for endpoint in found.get("endpoints") or ():
        conditions = endpoint.get("conditions") or {}
        if (endpoint.get("targetRef") or {}).get("kind") == "Pod" and conditions.get("ready") is not False:
            endpoint["conditions"] = {**conditions, "ready": False, "serving": False}
            changed = True
    return changed


def _empty_endpoints(found: JsonObject, _now: str) -> bool:
    changed = False
    for subset in found.get("subsets") or ():
        ready = subset.get("addresses") or []
        lost = [one for one in ready if (one.get("targetRef") or {}).get("kind") == "Pod"]
        if not lost:
            continue
        changed = True
        kept = [one for one in ready if one not in lost]
        subset["notReadyAddresses"] = [*(subset.get("notReadyAddresses") or ()), *lost]
        subset.pop("addresses")
        if kept:
            subset["addresses"] = kept
    return changed


def _lose_node(node: JsonObject, now: str) -> bool:
    text = "Kubelet stopped posting node status."
    return _deny(node.get("status") or {}, "Ready", "NodeStatusUnknown", text, now, status_value="Unknown")


def _deny(status: JsonObject, kind: str, reason: str, message: str, now: str, *, status_value: str = "False") -> bool:
    """Takes a condition back that was true."""
    for condition in status.get("conditions") or ():
        if condition["type"] == kind and condition.get("status") == "True":
            condition |= {"status": status_value, "lastTransitionTime": now}
            if "lastUpdateTime" in condition:
                condition["lastUpdateTime"] = now
            told = {"reason": reason, "message": message}
            condition |= {key: text for key, text in told.items() if text}
            return True
    return False


_CHANGES: Final[dict[str, Callable[[JsonObject, str], bool]]] = {
    "/pods": _end_containers,
    "/nodes": _lose_node,
    "/endpoints": _empty_endpoints,
    "discovery.k8s.io/endpointslices": _empty_slice,
}
BUCKETS: Final = (*_CHANGES, *_COUNTS_OF_READY)
