"""What a pod asks of its node."""

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.pod_resources import qos_class

FULL = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": FULL}, "Guaranteed"),
        ({"limits": FULL, "requests": {"cpu": "1000m", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": FULL, "requests": {"cpu": "500m"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"ephemeral-storage": "1Gi"}}, "BestEffort"),
        ({"limits": {**FULL, "ephemeral-storage": "1Gi"}, "requests": FULL}, "Guaranteed"),
        ({"limits": {"cpu": "0", "memory": "0"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources: JsonObject, expected: str) -> None:
    containers = [{"resources": resources}]
    assert qos_class({"spec": {"containers": containers}}) == expected
    assert qos_class({"spec": {"containers": [{}], "resources": resources}}) == expected


def test_one_container_without_limits_makes_a_pod_burstable() -> None:
    containers = [{"resources": {"limits": FULL}}]
    assert qos_class({"spec": {"initContainers": [{}], "containers": containers}}) == "Burstable"
