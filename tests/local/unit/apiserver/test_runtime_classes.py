"""Which of a pod's tolerations and those of its RuntimeClass the pod gets."""

from typing import Any

import pytest

from crossfade_local.apiserver.admission.runtime_classes import merged_tolerations

ALL = {"operator": "Exists"}
X = {"key": "x", "operator": "Exists"}
X_NO_SCHEDULE = {**X, "effect": "NoSchedule"}
X_NO_EXECUTE = {**X, "effect": "NoExecute"}
LONG, SHORT = ({**X_NO_EXECUTE, "tolerationSeconds": seconds} for seconds in (9, 5))
ONE, TWO = ({"key": "x", "value": value} for value in "12")


@pytest.mark.parametrize(
    ("tolerations", "merged"),
    [
        ([X, X], [X]),
        ([X, X_NO_SCHEDULE], [X]),
        ([X_NO_SCHEDULE, X], [X]),
        ([X_NO_SCHEDULE, X_NO_EXECUTE], [X_NO_SCHEDULE, X_NO_EXECUTE]),
        ([X, {"key": "y", "value": "1"}, ALL], [ALL]),
        ([ONE, X], [X]),
        ([ONE, TWO], [ONE, TWO]),
        ([{"key": "x", "operator": "Equal"}, {"key": "x"}], [{"key": "x"}]),
        ([LONG, X_NO_EXECUTE], [X_NO_EXECUTE]),
        ([LONG, SHORT], [LONG]),
    ],
)  # fmt: skip
def test_the_widest_tolerations_stay(tolerations: list[dict[str, Any]], merged: list[dict[str, Any]]) -> None:
    assert merged_tolerations(tolerations) == merged
