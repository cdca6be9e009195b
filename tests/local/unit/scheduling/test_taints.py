"""Which taints a pod bears, and for how long."""

from typing import Any

import pytest

from crossfade_local.controllers.node_taints import cordoned_taints
from crossfade_local.scheduling.taints import stays_s, tolerates

TAINT = {"key": "k", "value": "v", "effect": "NoExecute"}


@pytest.mark.parametrize(
    ("toleration", "bears"),
    [
        ({"key": "k", "value": "v"}, True),
        ({"key": "k", "operator": "Equal", "value": "v", "effect": "NoExecute"}, True),
        ({"key": "k", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "effect": "NoSchedule"}, False),
        ({"key": "k", "value": "w"}, False),
        ({"key": "k"}, False),
        ({"key": "j", "operator": "Exists"}, False),
        ({}, False),
    ],
)
def test_tolerations(toleration: dict[str, Any], bears: bool) -> None:
    assert tolerates(toleration, TAINT) is bears


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 0.0),
        ([{"key": "k", "operator": "Exists"}], None),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": 7}], 7.0),
        ([{"operator": "Exists", "tolerationSeconds": 9}, {"key": "k", "value": "v", "tolerationSeconds": 3}], 3.0),
        ([{"key": "k", "operator": "Exists", "tolerationSeconds": -1}], 0.0),
    ],
)
def test_time_on_a_tainted_node(tolerations: list[dict[str, Any]], seconds: float | None) -> None:
    other = {"key": "other", "effect": "NoSchedule"}
    assert stays_s({"tolerations": tolerations}, [other, TAINT]) == seconds
    assert stays_s({"tolerations": tolerations}, [other]) is None


def test_a_cordoned_node_has_one_taint_more() -> None:
    added = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule", "timeAdded": "now"}
    assert cordoned_taints({"spec": {"unschedulable": True, "taints": [TAINT]}}, "now") == [TAINT, added]
    assert cordoned_taints({"spec": {"unschedulable": True, "taints": [added]}}, "now") is None
    assert cordoned_taints({"spec": {"taints": [added, TAINT]}}, "now") == [TAINT]
    assert cordoned_taints({}, "now") is None
