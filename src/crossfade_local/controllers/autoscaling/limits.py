"""What of a wanted number of replicas may be done now, by bounds, stabilization and rates, as Kubernetes does it; pure.

A verdict's texts and reasons are Kubernetes' own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.autoscaling.usage import DEFAULT_TOLERANCE, Tolerance
from crossfade_local.pod_resources import amount
from crossfade_local.values.fields import mapping, number, objects, text

DOWN_WINDOW_S: Final = 300
_LONGEST: Final = timedelta(hours=1)
_FREE_UP_TO: Final = 4
_Change = tuple[datetime, int]

_READY: Final = ("ReadyForNewScale", "recommended size matches current size")
_UP_STABLE: Final = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_DOWN_STABLE: Final = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_WITHIN: Final = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FEW: Final = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_MANY: Final = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_UP_RATE: Final = (
    "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate",
)  # fmt: skip
_DOWN_RATE: Final = (
    "ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate",
)  # fmt: skip


class Verdict(NamedTuple):
    """`able` and `limit` are reason and message of the conditions AbleToScale and ScalingLimited."""

    replicas: int
    able: tuple[str, str]
    limited: bool
    limit: tuple[str, str]


@dataclass
class History:
    """What was wanted and done lately."""

    wanted: list[_Change] = field(default_factory=list)
    added: list[_Change] = field(default_factory=list)
    removed: list[_Change] = field(default_factory=list)

    def note_wanted(self, replicas: int, now: datetime) -> None:
        self.wanted = [*_since(self.wanted, now - _LONGEST), (now, replicas)]

    def note_change(self, before: int, after: int, now: datetime) -> None:
        self.added, self.removed = _since(self.added, now - _LONGEST), _since(self.removed, now - _LONGEST)
        if after > before:
            self.added.append((now, after - before))
        elif after < before:
            self.removed.append((now, before - after))


def least_of(spec: JsonObject) -> int:
    least = spec.get("minReplicas")
    return 1 if least is None else int(least)


def tolerance_of(behavior: JsonObject) -> Tolerance:
    up, down = (mapping(behavior, name).get("tolerance") for name in ("scaleUp", "scaleDown"))
    return Tolerance(*(DEFAULT_TOLERANCE if value is None else float(amount(value)) for value in (up, down)))


def limited(spec: JsonObject, *, current: int, wanted: int, history: History, now: datetime) -> Verdict:
    """Notes what was wanted in the history."""
    low, high = least_of(spec), number(spec, "maxReplicas")
    behavior = mapping(spec, "behavior")
    if not history.wanted:
        # As if what there is had been wanted: a controller that has just begun ends no pods at once.
        history.note_wanted(current, now)
    if behavior:
        stable, able = _stabilized_by_rules(behavior, current, wanted, history, now)
        replicas, limit = _by_rules(behavior, current, stable, (low, high), history, now)
    else:
        stable = max([wanted, *(value for _, value in _since(history.wanted, now - timedelta(seconds=DOWN_WINDOW_S)))])
        able = _READY if stable == wanted else _DOWN_STABLE
        replicas, limit = _by_default(current, stable, (low, high))
    history.note_wanted(wanted, now)
    return Verdict(replicas, able, replicas != stable, limit)


def _by_default(current: int, wanted: int, bounds: tuple[int, int]) -> tuple[int, tuple[str, str]]:
    low, high = bounds
    rate = max(2 * current, _FREE_UP_TO)
    most, why = (rate, _UP_RATE) if high > rate else (high, _TOO_MANY)
    if wanted < low:
        return low, _TOO_FEW
    return (most, why) if wanted > most else (wanted, _WITHIN)


def _stabilized_by_rules(
    behavior: JsonObject, current: int, wanted: int, history: History, now: datetime
) -> tuple[int, tuple[str, str]]:
    def recent(name: str, default_s: int) -> list[int]:
        given = mapping(behavior, name).get("stabilizationWindowSeconds")
        window_s = default_s if given is None else int(given)
        return [value for _, value in _since(history.wanted, now - timedelta(seconds=window_s))]

    up, down = min([wanted, *recent("scaleUp", 0)]), max([wanted, *recent("scaleDown", DOWN_WINDOW_S)])
    stable = min(max(current, up), down)
    if stable == wanted:
        return stable, _READY
    return stable, _UP_STABLE if wanted >= current else _DOWN_STABLE


def _by_rules(
    behavior: JsonObject, current: int, wanted: int, bounds: tuple[int, int], history: History, now: datetime
) -> tuple[int, tuple[str, str]]:
    low, high = bounds
    if wanted > current:
        rate = max(_rate(mapping(behavior, "scaleUp"), 1, current, history, now), current)
        most, why = (rate, _UP_RATE) if high > rate else (high, _TOO_MANY)
        if wanted > most:
            return most, why
    elif wanted < current:
        rate = min(_rate(mapping(behavior, "scaleDown"), -1, current, history, now), current)
        least, why = (rate, _DOWN_RATE) if low < rate else (low, _TOO_FEW)
        if wanted < least:
            return least, why
    return wanted, _WITHIN


def _rate(rules: JsonObject, sign: int, current: int, history: History, now: datetime) -> int:
    """The number that the policies let it come to by now."""
    choice = text(rules, "selectPolicy")
    if choice == "Disabled":
        return current
    found = []
    for policy in objects(rules, "policies"):
        since = now - timedelta(seconds=number(policy, "periodSeconds"))
        at_start = current - _sum(history.added, since) + _sum(history.removed, since)
        change = sign * number(policy, "value")
        if text(policy, "type") == "Pods":
            found.append(at_start + change)
        else:
            share = at_start * (100 + change)
            found.append(ceil(share / 100) if sign > 0 else share // 100)
    most: Callable[[Iterable[int]], int] = max if (choice == "Min") == (sign < 0) else min
    return most(found) if found else current


def _sum(changes: list[_Change], since: datetime) -> int:
    return sum(value for _, value in _since(changes, since))


def _since(changes: list[_Change], moment: datetime) -> list[_Change]:
    return [change for change in changes if change[0] > moment]
