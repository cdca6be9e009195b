"""Which nodes a DaemonSet wants a pod on, and what to create and delete next; pure, as Kubernetes does it."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import controller_ref, is_being_deleted, name_of, namespace_of
from crossfade_local.controllers.pods import available_in_s, is_finished
from crossfade_local.scheduling.selectors import REQUIRED, node_matches
from crossfade_local.scheduling.taints import NO_EXECUTE, NO_SCHEDULE, untolerated

HASH_LABEL: Final = "controller-revision-hash"
_GENERATION: Final = "deprecated.daemonset.template.generation"
_GENERATION_LABEL: Final = "pod-template-generation"
_NODE: Final = "node.kubernetes.io/"
# Daemons run on nodes with these troubles.
_TOLERATED: Final = (
    ("not-ready", NO_EXECUTE),
    ("unreachable", NO_EXECUTE),
    ("disk-pressure", NO_SCHEDULE),
    ("memory-pressure", NO_SCHEDULE),
    ("pid-pressure", NO_SCHEDULE),
    ("unschedulable", NO_SCHEDULE),
)


class Place(NamedTuple):
    """A node: whether a pod is to be made there, and whether one that is there may stay."""

    node: str
    should_run: bool
    may_stay: bool


class Plan(NamedTuple):
    """`create` are names of nodes; `ended` pods have failed or succeeded and are deleted to be made anew."""

    create: list[str]
    delete: list[JsonObject]
    ended: list[JsonObject]


def min_ready_s(daemon_set: JsonObject) -> int:
    return int(daemon_set["spec"].get("minReadySeconds") or 0)


def place(daemon_set: JsonObject, node: JsonObject) -> Place:
    spec, name = _pod_spec(daemon_set), name_of(node)
    labels, taints = node["metadata"].get("labels") or {}, (node.get("spec") or {}).get("taints") or ()
    if spec.get("nodeName") not in (None, "", name) or not node_matches(spec, labels, name):
        return Place(name, should_run=False, may_stay=False)
    may_stay = untolerated(spec, taints, (NO_EXECUTE,)) is None
    return Place(name, should_run=untolerated(spec, taints, (NO_EXECUTE, NO_SCHEDULE)) is None, may_stay=may_stay)


def node_of(pod: JsonObject) -> str:
    """Where the pod is, or is meant to be."""
    spec = pod.get("spec") or {}
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def by_node(pods: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
    found: dict[str, list[JsonObject]] = {}
    for pod in pods:
        found.setdefault(node_of(pod), []).append(pod)
    return found


def hash_of(pod: JsonObject) -> str:
    return (pod["metadata"].get("labels") or {}).get(HASH_LABEL) or ""


def next_steps(
    daemon_set: JsonObject,
    places: Iterable[Place],
    pods: Mapping[str, list[JsonObject]],
    *,
    update_hash: str,
    now: datetime,
) -> Plan:
    """`pods` by node."""
    plan, known = Plan([], [], []), {one.node: one for one in places}
    for one in known.values():
        _settle(daemon_set, one, pods.get(one.node, []), plan, update_hash, now)
    for node, others in pods.items():
        if node not in known:
            plan.delete.extend(pod for pod in others if not is_being_deleted(pod))
    if not plan.create and not plan.ended:
        _update(daemon_set, known, pods, plan, update_hash, now)
    return plan


def new_pod(daemon_set: JsonObject, node: str, code: str) -> JsonObject:
    """Tied to its node by affinity, so that the scheduler still decides whether it fits."""
    template = daemon_set["spec"]["template"]
    metadata, spec = template.get("metadata") or {}, _pod_spec(daemon_set)
    kept = {key: metadata[key] for key in ("annotations", "finalizers") if metadata.get(key)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{name_of(daemon_set)}-",
            "namespace": namespace_of(daemon_set),
            "labels": {**(metadata.get("labels") or {}), **_generation_label(daemon_set), HASH_LABEL: code},
            **kept,
            "ownerReferences": [controller_ref(daemon_set)],
        },
        "spec": {**spec, "affinity": _only_on(node, spec.get("affinity") or {})},
    }


def _generation_label(daemon_set: JsonObject) -> dict[str, str]:
    """Of the template, as old clients look for it."""
    count = (daemon_set["metadata"].get("annotations") or {}).get(_GENERATION) or ""
    return {_GENERATION_LABEL: count} if count.isascii() and count.isdecimal() else {}


def first_of(pods: Iterable[JsonObject]) -> JsonObject | None:
    """The one that stands for its node in the status: the oldest, without those that have ended and are deleted."""
    staying = [pod for pod in pods if not (is_finished(pod) and is_being_deleted(pod))]
    return min(staying, key=_age_key, default=None)


def _settle(
    daemon_set: JsonObject, one: Place, here: list[JsonObject], plan: Plan, update_hash: str, now: datetime
) -> None:
    """One pod where one belongs, none elsewhere; ended ones are replaced."""
    if not one.may_stay:
        plan.delete.extend(pod for pod in here if not is_being_deleted(pod))
        return
    if not one.should_run:
        return
    running: list[JsonObject] = []
    for pod in here:
        if is_being_deleted(pod):
            continue
        (plan.ended if is_finished(pod) else running).append(pod)
    if not here:
        plan.create.append(one.node)
    if len(running) > 1:
        plan.delete.extend(_too_many(daemon_set, running, update_hash, now))


def _too_many(daemon_set: JsonObject, pods: list[JsonObject], update_hash: str, now: datetime) -> list[JsonObject]:
    """All but the oldest. In an update with surge the old pod stays until the new one is available."""
    old = sorted((pod for pod in pods if hash_of(pod) != update_hash), key=_age_key)
    new = sorted((pod for pod in pods if hash_of(pod) == update_hash), key=_age_key)
    if _surge(daemon_set, 1) and old and new:
        done = is_available(daemon_set, new[0], now) or not is_available(daemon_set, old[0], now)
        return [*(old if done else old[1:]), *new[1:]]
    return sorted(pods, key=_age_key)[1:]


def _update(
    daemon_set: JsonObject,
    known: Mapping[str, Place],
    pods: Mapping[str, list[JsonObject]],
    plan: Plan,
    update_hash: str,
    now: datetime,
) -> None:
    """Old pods go when few enough are unavailable; with surge, new pods come first."""
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return
    wanted = [one.node for one in known.values() if one.should_run]
    unavailable, broken, replaceable, surging = 0, [], [], 0
    for node in wanted:
        here = [pod for pod in pods.get(node, []) if not is_being_deleted(pod)]
        old = [pod for pod in here if hash_of(pod) != update_hash]
        if old and len(here) > len(old):
            surging += 1
        elif not old:
            unavailable += not any(is_available(daemon_set, pod, now) for pod in here)
        elif is_available(daemon_set, old[0], now):
            replaceable.append(old[0])
        else:
            broken.append(old[0])
    if surge := _surge(daemon_set, len(wanted)):
        room = max(0, surge - surging)
        plan.create.extend(node_of(pod) for pod in [*broken, *replaceable[:room]])
        return
    room = max(0, _max_unavailable(daemon_set, len(wanted)) - unavailable - len(broken))
    plan.delete.extend([*broken, *replaceable[:room]])


def is_available(daemon_set: JsonObject, pod: JsonObject, now: datetime) -> bool:
    return not is_finished(pod) and available_in_s(pod, min_ready_s(daemon_set), now) == 0


def _pod_spec(daemon_set: JsonObject) -> JsonObject:
    spec = daemon_set["spec"]["template"]["spec"]
    more = [{"key": f"{_NODE}{key}", "operator": "Exists", "effect": effect} for key, effect in _TOLERATED]
    own = spec.get("tolerations") or []
    return {**spec, "tolerations": [*own, *(item for item in more if item not in own)]}


def _only_on(node: str, affinity: JsonObject) -> JsonObject:
    """The template's terms, each narrowed to the node."""
    here = {"key": "metadata.name", "operator": "In", "values": [node]}
    own = affinity.get("nodeAffinity") or {}
    terms = (own.get(REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
    narrowed = [{**term, "matchFields": [here]} for term in terms]
    return {**affinity, "nodeAffinity": {**own, REQUIRED: {"nodeSelectorTerms": narrowed}}}


def _surge(daemon_set: JsonObject, nodes: int) -> int:
    rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return _amount(rolling.get("maxSurge", 0), nodes)


def _max_unavailable(daemon_set: JsonObject, nodes: int) -> int:
    rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return max(1, _amount(rolling.get("maxUnavailable", 1), nodes))


def _amount(bound: int | str, nodes: int) -> int:
    return bound if isinstance(bound, int) else math.ceil(nodes * int(bound.rstrip("%")) / 100)


def _age_key(pod: JsonObject) -> tuple[bool, str, str]:
    bound = bool((pod.get("spec") or {}).get("nodeName"))
    return not bound, pod["metadata"].get("creationTimestamp") or "", name_of(pod)
