"""What a StatefulSet does next to its pods: create, replace, scale down, update; pure, in Kubernetes' order.

OrderedReady takes one step and waits until the pod of the step before is available; Parallel waits for nobody.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import is_being_deleted, name_of
from crossfade_local.controllers.pods import available_in_s, is_finished, is_ready
from crossfade_local.controllers.stateful_sets.identity import ordinals_of, revision_of

MOST_AT_ONCE: Final = 500


class Plan(NamedTuple):
    """`create` are numbers with whether they get the former template, `delete` pods in order."""

    create: list[tuple[int, bool]]
    delete: list[JsonObject]


class _Pods(NamedTuple):
    """A StatefulSet's pods: those that it wants by number, None for a missing one, and those beyond, highest first."""

    wanted: dict[int, JsonObject | None]
    condemned: list[JsonObject]


def next_steps(
    stateful_set: JsonObject, pods: Mapping[int, JsonObject], *, update_revision: str, now: datetime
) -> Plan:
    """`pods` by number; `update_revision` is the name of the present template's revision."""
    numbers = ordinals_of(stateful_set)
    beyond = sorted((number for number in pods if number not in numbers), reverse=True)
    # However many are wanted, no more than can be made now are looked at.
    missing = islice((number for number in numbers if number not in pods), MOST_AT_ONCE)
    looked_at = sorted([*missing, *(number for number in pods if number in numbers)])
    split = _Pods({number: pods.get(number) for number in looked_at}, [pods[number] for number in beyond])
    plan, is_settled = _fill(stateful_set, split.wanted, now)
    if is_settled:
        is_settled = _shrink(stateful_set, split, plan, now)
    if is_settled:
        _update(stateful_set, split.wanted, plan, update_revision, now)
    return plan


def is_ordered(stateful_set: JsonObject) -> bool:
    return bool(stateful_set["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady")


def min_ready_s(stateful_set: JsonObject) -> int:
    return int(stateful_set["spec"].get("minReadySeconds") or 0)


def _fill(stateful_set: JsonObject, wanted: Mapping[int, JsonObject | None], now: datetime) -> tuple[Plan, bool]:
    """Missing pods are created, ended ones replaced; false: what comes after has to wait."""
    plan, ordered, boundary = Plan([], []), is_ordered(stateful_set), _partition(stateful_set)
    for number, pod in wanted.items():
        if pod is None:
            plan.create.append((number, number < boundary))
        elif is_finished(pod) and not is_being_deleted(pod):
            plan.delete.append(pod)
        elif not ordered or _is_available(stateful_set, pod, now):
            continue
        if ordered:
            return plan, False
    return plan, True


def _shrink(stateful_set: JsonObject, pods: _Pods, plan: Plan, now: datetime) -> bool:
    """The highest number first. An unhealthy pod in the row holds the others up, unless it is the lowest of such."""
    ordered = is_ordered(stateful_set)
    every = [*(pod for pod in pods.wanted.values() if pod is not None), *reversed(pods.condemned)]
    first_unhealthy = next((pod for pod in every if not _is_available(stateful_set, pod, now)), None)
    for pod in pods.condemned:
        if not is_being_deleted(pod):
            if ordered and not _is_available(stateful_set, pod, now) and pod is not first_unhealthy:
                return False
            plan.delete.append(pod)
        if ordered:
            return False
    return True


def _update(
    stateful_set: JsonObject,
    wanted: Mapping[int, JsonObject | None],
    plan: Plan,
    update_revision: str,
    now: datetime,
) -> None:
    """From the highest number down to the partition, as many at a time as may be missing."""
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return
    most = _max_unavailable(strategy.get("rollingUpdate") or {}, len(ordinals_of(stateful_set)))
    boundary, doomed = _partition(stateful_set), {name_of(pod) for pod in plan.delete}
    missing = 0
    for number in sorted(wanted, reverse=True):
        pod = wanted[number]
        if number < boundary or missing >= most:
            return
        if pod is None or is_being_deleted(pod) or name_of(pod) in doomed:
            missing += 1
        elif revision_of(pod) != update_revision:
            plan.delete.append(pod)
            missing += 1
        elif not _is_available(stateful_set, pod, now):
            missing += 1


def _is_available(stateful_set: JsonObject, pod: JsonObject, now: datetime) -> bool:
    return (
        not is_being_deleted(pod)
        and (pod.get("status") or {}).get("phase") == "Running"
        and is_ready(pod)
        and available_in_s(pod, min_ready_s(stateful_set), now) == 0
    )


def _partition(stateful_set: JsonObject) -> int:
    """The first number that is updated."""
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return ordinals_of(stateful_set).start
    return ordinals_of(stateful_set).start + int((strategy.get("rollingUpdate") or {}).get("partition") or 0)


def _max_unavailable(rolling: JsonObject, replicas: int) -> int:
    bound = rolling.get("maxUnavailable")
    if bound is None:
        return 1
    if isinstance(bound, int):
        return max(1, bound)
    return max(1, math.floor(replicas * int(bound.rstrip("%")) / 100))
