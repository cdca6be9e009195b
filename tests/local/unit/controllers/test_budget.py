"""What a PodDisruptionBudget allows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossfade_local.controllers.disruption.budget import (
    Evicted,
    Wanted,
    budget_status,
    evicted,
    failed_status,
    healthy,
    wanted,
)
from crossfade_local.controllers.objects import shown_selector
from tests.local.unit.controllers.objects import pod

Json = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BUDGET: Json = {"metadata": {"name": "b", "generation": 3}, "spec": {}}


@pytest.mark.parametrize(
    ("spec", "pods", "scale", "expected"),
    [
        ({"minAvailable": 2}, 3, 0, Wanted(3, 2)),
        ({"minAvailable": "50%"}, 3, 3, Wanted(3, 2)),
        ({"minAvailable": "0%"}, 3, 3, Wanted(3, 0)),
        ({"minAvailable": "100%"}, 2, 3, Wanted(3, 3)),
        ({"maxUnavailable": 1}, 2, 3, Wanted(3, 2)),
        ({"maxUnavailable": "34%"}, 3, 3, Wanted(3, 1)),
        ({"maxUnavailable": 9}, 3, 3, Wanted(3, 0)),
        ({}, 3, 3, Wanted(0, 0)),
    ],
)
def test_bounds(spec: Json, pods: int, scale: int, expected: Wanted) -> None:
    assert wanted(spec, pods=pods, scale=scale) == expected


@pytest.mark.parametrize(
    ("target", "current", "allowed", "reason"),
    [
        (Wanted(3, 2), 3, 1, "SufficientPods"),
        (Wanted(3, 2), 2, 0, "InsufficientPods"),
        (Wanted(3, 2), 0, 0, "InsufficientPods"),
        (Wanted(0, 0), 3, 0, "InsufficientPods"),
    ],
)
def test_status(target: Wanted, current: int, allowed: int, reason: str) -> None:
    status = budget_status(BUDGET, target, current, {}, NOW)
    assert (status["disruptionsAllowed"], status["expectedPods"]) == (allowed, target.expected)
    assert (status["currentHealthy"], status["desiredHealthy"]) == (current, target.healthy)
    assert status["observedGeneration"] == 3
    condition = status["conditions"][0]
    assert (condition["reason"], condition["status"]) == (reason, "True" if allowed else "False")
    again = budget_status({**BUDGET, "status": status}, target, current, {}, NOW + timedelta(hours=1))
    assert again == status


def test_nothing_may_go_while_pods_cannot_be_counted() -> None:
    status = failed_status({**BUDGET, "status": {"disruptionsAllowed": 2, "currentHealthy": 4}}, "odd", NOW)
    assert (status["disruptionsAllowed"], status["currentHealthy"]) == (0, 4)
    assert [(one["reason"], one["message"]) for one in status["conditions"]] == [("SyncFailed", "odd")]
    assert "observedGeneration" not in status
    assert "observedGeneration" not in status["conditions"][0]


def test_a_selector_is_shown_as_go_prints_it() -> None:
    expression = {"key": "a", "operator": "In", "values": ["x", "y"]}
    selector = {"matchLabels": {"b": "c", "app": "jazz"}, "matchExpressions": [expression]}
    assert shown_selector(None) == "nil"
    assert shown_selector(selector) == (
        "&LabelSelector{MatchLabels:map[string]string{app: jazz,b: c,},"
        "MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:a,Operator:In,Values:[x y],},},}"
    )


def test_granted_evictions_count_until_they_show() -> None:
    pods = [pod("a"), pod("b"), pod("c", deletionTimestamp="2026-01-01T00:00:00Z"), pod("d", ready=False)]
    marks = evicted({"a": "2025-12-31T23:59:00Z", "b": "2025-12-31T23:00:00Z", "c": "x", "z": "x"}, pods, NOW)
    assert marks == Evicted({"a": "2025-12-31T23:59:00Z"}, ("b",), 60.0)
    assert healthy(pods, marks.pending) == 1
