"""How many replicas the usage of pods asks for, as Kubernetes' replica calculator counts; pure.

Amounts are in thousandths of the resource's unit.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import ceil
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import condition_of, is_being_deleted, name_of, parsed_time
from crossfade_local.pod_resources import amount
from crossfade_local.values.fields import mapping, objects, text

CPU_INITIALIZATION: Final = timedelta(minutes=5)
INITIAL_READINESS: Final = timedelta(seconds=30)
DEFAULT_TOLERANCE: Final = 0.1
_FULL: Final = 100
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class CannotTellError(Exception):
    """The usage does not tell how many replicas there should be; the text is Kubernetes'."""


class Used(NamedTuple):
    amount: int
    at: datetime
    window: timedelta


class Tolerance(NamedTuple):
    """How far the ratio of usage to target may be off without consequence."""

    up: float = DEFAULT_TOLERANCE
    down: float = DEFAULT_TOLERANCE

    def covers(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


class Goal(NamedTuple):
    """Percent of what pods request, or an amount per pod, where there are no `requests`."""

    value: int
    requests: Mapping[str, int] | None = None

    def to_shrink(self, pod: str) -> int:
        """What a pod without usage is taken to use when fewer pods seem to do: so much that it changes nothing."""
        return self.value if self.requests is None else self.requests[pod] * max(_FULL, self.value) // _FULL


class Proposal(NamedTuple):
    """`share` of the requests, in percent, where those count; `average` per pod."""

    replicas: int
    share: int | None
    average: int


class _Groups(NamedTuple):
    ready: int
    unready: set[str]
    missing: set[str]
    ignored: set[str]


class _Ratio(NamedTuple):
    ratio: float
    share: int | None
    average: int


def used_by_pods(metrics: Iterable[JsonObject], resource: str, container: str = "") -> dict[str, Used]:
    """From PodMetrics: of one container, or all. Raises CannotTellError."""
    found: dict[str, Used] = {}
    for item in metrics:
        parts = [one for one in objects(item, "containers") if container in ("", one["name"])]
        if container and not parts:
            metadata = item["metadata"]
            raise CannotTellError(
                f"container {container} not present in metrics for pod {metadata['namespace']}/{metadata['name']}"
            )
        values = [mapping(part, "usage").get(resource) for part in parts]
        at = parsed_time(text(item, "timestamp"))
        if at is not None and None not in values:
            total = sum(_thousandths(value) for value in values)
            found[name_of(item)] = Used(total, at, duration(text(item, "window")))
    return found


def duration(value: str) -> timedelta:
    """As Go writes it."""
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(value)))


def requests_of(pods: Iterable[JsonObject], resource: str, container: str = "") -> dict[str, int]:
    """Sidecars count. Raises CannotTellError where a container asks for none."""
    found = {}
    for pod in pods:
        spec = mapping(pod, "spec")
        whole = mapping(spec, "resources", "requests").get(resource)
        if whole is not None and not container:
            found[name_of(pod)] = _thousandths(whole)
            continue
        sidecars = [one for one in objects(spec, "initContainers") if text(one, "restartPolicy") == "Always"]
        total = 0
        for one in (*objects(spec, "containers"), *sidecars):
            if container in ("", one["name"]):
                request = mapping(one, "resources", "requests").get(resource)
                if request is None:
                    raise CannotTellError(
                        f"missing request for {resource} in container {one['name']} of Pod {name_of(pod)}"
                    )
                total += _thousandths(request)
        found[name_of(pod)] = total
    return found


def propose(
    current: int,
    goal: Goal,
    *,
    pods: list[JsonObject],
    used: Mapping[str, Used],
    resource: str,
    tolerance: Tolerance,
    now: datetime,
) -> Proposal:
    """`current` is what the target has asked for. Raises CannotTellError."""
    groups = _grouped(pods, used, resource, now)
    amounts = {name: one.amount for name, one in used.items() if name not in groups.unready | groups.ignored}
    if not amounts:
        raise CannotTellError("did not receive metrics for targeted pods (pods might be unready)")
    first = _ratio(amounts, goal)
    with_unready = bool(groups.unready) and first.ratio > 1.0
    if not with_unready and not groups.missing:
        same = tolerance.covers(first.ratio)
        return Proposal(current if same else ceil(first.ratio * groups.ready), first.share, first.average)
    if first.ratio < 1.0:
        amounts |= {name: goal.to_shrink(name) for name in groups.missing}
    elif first.ratio > 1.0:
        amounts |= dict.fromkeys(groups.missing, 0)
    if with_unready:
        amounts |= dict.fromkeys(groups.unready, 0)
    second = _ratio(amounts, goal).ratio
    replicas = ceil(second * len(amounts))
    turned = (first.ratio < 1.0 < second) or (second < 1.0 < first.ratio)
    contrary = (second < 1.0 and replicas > current) or (second > 1.0 and replicas < current)
    if tolerance.covers(second) or turned or contrary:
        replicas = current
    return Proposal(replicas, first.share, first.average)


def _grouped(pods: Iterable[JsonObject], used: Mapping[str, Used], resource: str, now: datetime) -> _Groups:
    ready, unready, missing, ignored = 0, set[str](), set[str](), set[str]()
    for pod in pods:
        name, phase = name_of(pod), text(pod, "status", "phase")
        if is_being_deleted(pod) or phase == "Failed":
            ignored.add(name)
        elif phase == "Pending":
            unready.add(name)
        elif name not in used:
            missing.add(name)
        elif resource == "cpu" and _is_starting(pod, used[name], now):
            unready.add(name)
        else:
            ready += 1
    return _Groups(ready, unready, missing, ignored)


def _is_starting(pod: JsonObject, used: Used, now: datetime) -> bool:
    """What a pod takes to start says nothing of its load."""
    condition, begun = condition_of(mapping(pod, "status"), "Ready"), parsed_time(text(pod, "status", "startTime"))
    if condition is None or begun is None:
        return True
    changed = parsed_time(condition.get("lastTransitionTime")) or begun
    is_unready = condition["status"] == "False"
    if begun + CPU_INITIALIZATION > now:
        return is_unready or used.at < changed + used.window
    return is_unready and begun + INITIAL_READINESS > changed


def _ratio(amounts: Mapping[str, int], goal: Goal) -> _Ratio:
    if goal.requests is None:
        average = sum(amounts.values()) // len(amounts)
        return _Ratio(average / goal.value, None, average)
    known = {name: value for name, value in amounts.items() if name in goal.requests}
    requested = sum(goal.requests[name] for name in known)
    if not requested:
        raise CannotTellError("no metrics returned matched known pods")
    total = sum(known.values())
    share = total * _FULL // requested
    return _Ratio(share / goal.value, share, total // len(known))


def _thousandths(value: object) -> int:
    return ceil(amount(value) * 1000)
