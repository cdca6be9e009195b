"""What a real API server says of LimitRanges and ResourceQuotas that contradict themselves."""

from typing import Any

import pytest

from crossfade_local.apiserver.validation import validate

RANGE = ("", "v1", "LimitRange")
QUOTA = ("", "v1", "ResourceQuota")
NO_VALUE = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
UNKNOWN = "must be a standard resource type or fully qualified"


def errors(kind: tuple[str, str, str], spec: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    metadata = {"name": "x", "namespace": "n"}
    before = None if old is None else {"metadata": metadata, "spec": old}
    return [str(error) for error in validate(kind, {"metadata": metadata, "spec": spec}, before)]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "100m"}}, []),
        ({"type": "1.5"}, ["type: Invalid value: \"1.5\": must be a standard limit type or fully qualified"]),
        ({"type": "Container", "max": {"nosuch": "1"}}, [
            f'max[nosuch]: Invalid value: "nosuch": {UNKNOWN}',
            'max[nosuch]: Invalid value: "nosuch": must be a standard resource for containers',
        ]),
        ({"type": "PersistentVolumeClaim", "max": {"nosuch": "1", "storage": "1Gi"}}, [
            f'max[nosuch]: Invalid value: "nosuch": {UNKNOWN}',
        ]),
        ({"type": "PersistentVolumeClaim"}, [
            "limits: Required value: either minimum or maximum storage value is required, but neither was provided",
        ]),
        ({"type": "Pod", "default": {"cpu": "1"}}, [
            "default: Forbidden: may not be specified when `type` is 'Pod'",
        ]),
        ({"type": "Container", "max": {"cpu": "-1"}, "min": {"cpu": "100m"}, "default": {"cpu": "1"}}, [
            'min[cpu]: Invalid value: "100m": min value 100m is greater than max value -1',
            'default[cpu]: Invalid value: "-1": default value 1 is greater than max value -1',
        ]),
        ({"type": "Container", "min": {"cpu": "100m"}, "defaultRequest": {"cpu": None}}, [
            'defaultRequest[cpu]: Invalid value: "0": min value 100m is greater than default request value 0',
        ]),
        ({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1500m"}, "maxLimitRequestRatio": {"cpu": "10"}}, [
            'maxLimitRequestRatio[cpu]: Invalid value: "10": ratio 10 is greater than max/min = 1.333333',
        ]),
        ({"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}}, [
            'maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
        ]),
        ({"type": "Container", "default": {"a.b/c": "2"}, "defaultRequest": {"a.b/c": "1"}}, [
            'defaultRequest[a.b/c]: Invalid value: "1": default value 2 must equal to defaultRequest value 1 in a.b/c',
        ]),
    ],
)  # fmt: skip
def test_limit_ranges(item: dict[str, Any], expected: list[str]) -> None:
    assert errors(RANGE, {"limits": [item]}) == [f"spec.limits[0].{error}" for error in expected]


def test_one_limit_range_says_each_type_once() -> None:
    item = {"type": "Container", "max": {"cpu": "1"}}
    assert errors(RANGE, {"limits": [item, item]}) == ['spec.limits[1].type: Duplicate value: "Container"']


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"hard": {"pods": "1", "requests.cpu": "1500m", "count/deployments.apps": "2"}}, []),
        ({"hard": {"gold.storageclass.storage.k8s.io/requests.storage": "1Gi", "requests.hugepages-2Mi": "1"}}, []),
        ({"hard": {"nosuch": "1"}}, [
            f'hard[nosuch]: Invalid value: "nosuch": {UNKNOWN}',
            'hard[nosuch]: Invalid value: "nosuch": must be a standard resource for quota',
        ]),
        ({"hard": {"pods": "1.5", "requests.cpu": "-1"}}, [
            'hard[pods]: Invalid value: "1500m": must be an integer',
            'hard[requests.cpu]: Invalid value: "-1": must be greater than or equal to 0',
        ]),
        ({"hard": {"count/deployments.apps": "1.5"}}, [
            'hard[count/deployments.apps]: Invalid value: "1500m": must be an integer',
        ]),
        ({"scopes": ["nosuch"]}, ['scopes: Invalid value: ["nosuch"]: unsupported scope']),
        ({"scopes": ["BestEffort"], "hard": {"cpu": "1"}}, [
            'scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
        ]),
        ({"scopes": ["BestEffort", "NotBestEffort"]}, [
            'scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
        ]),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}, [
            f"scopeSelector.matchExpressions.values: Required value: {NO_VALUE}",
        ]),
        ({"scopeSelector": {"matchExpressions": [{}]}}, [
            'scopeSelector.matchExpressions.scopeName: Invalid value: "": unsupported scope',
            'scopeSelector.matchExpressions.operator: Invalid value: "": not a valid selector operator',
        ]),
    ],
)  # fmt: skip
def test_quotas(spec: dict[str, Any], expected: list[str]) -> None:
    assert errors(QUOTA, spec) == [f"spec.{error}" for error in expected]


def test_the_scopes_of_a_quota_stay() -> None:
    expected = ['spec.scopes: Invalid value: ["Terminating"]: field is immutable']
    assert errors(QUOTA, {"scopes": ["Terminating"]}, {"scopes": ["NotTerminating"]}) == expected
    assert errors(QUOTA, {"scopes": ["Terminating"]}, {"scopes": ["Terminating", "Terminating"]}) == []
