"""What a LimitRange gives to containers and what it refuses."""

from typing import Any

import pytest

from crossfade_local.apiserver.admission.limits import claim_problems, fill_in, pod_problems
from crossfade_local.apiserver.defaults.limits import default_limit_range

Json = dict[str, Any]


def pod(*resources: Json) -> Json:
    containers = [{"name": f"c{number}", "resources": one} for number, one in enumerate(resources)]
    return {"metadata": {"name": "p"}, "spec": {"containers": containers}}


def test_containers_that_say_nothing_get_defaults() -> None:
    limits = [
        {"type": "Pod", "max": {"cpu": "4"}},
        {"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}},
    ]
    made = pod({}, {"requests": {"cpu": "2m"}, "limits": {"memory": "2Gi"}})
    fill_in(made, limits)
    first, second = (one["resources"] for one in made["spec"]["containers"])
    assert first == {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    assert second == {"requests": {"cpu": "2m"}, "limits": {"cpu": "1", "memory": "2Gi"}}
    assert made["metadata"]["annotations"] == {
        "kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container c0;"
        " cpu, memory limit for container c0; cpu limit for container c1"
    }


@pytest.mark.parametrize(
    ("limit", "resources", "problems"),
    [
        ({"max": {"cpu": "800m"}}, {"limits": {"cpu": "800m"}}, []),
        ({"max": {"cpu": "800m"}}, {}, ["maximum cpu usage per Container is 800m.  No limit is specified"]),
        (
            {"max": {"memory": "1Gi"}},
            {"requests": {"memory": "1536Mi"}, "limits": {"memory": "2Gi"}},
            ["maximum memory usage per Container is 1Gi, but limit is 2Gi"],
        ),
        ({"min": {"cpu": "100m"}}, {}, ["minimum cpu usage per Container is 100m.  No request is specified"]),
        (
            {"min": {"cpu": "100m"}},
            {"requests": {"cpu": "50m"}, "limits": {"cpu": "60m"}},
            ["minimum cpu usage per Container is 100m, but request is 50m"],
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"requests": {"cpu": "1"}, "limits": {"cpu": "2500m"}},
            ["cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000"],
        ),
        (
            {"maxLimitRequestRatio": {"cpu": "2"}},
            {"limits": {"cpu": "1"}},
            ["cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"],
        ),
    ],
)
def test_bounds_of_containers(limit: Json, resources: Json, problems: list[str]) -> None:
    assert list(pod_problems(pod(resources), [{"type": "Container", **limit}])) == problems


def test_a_pod_is_judged_by_its_sum() -> None:
    made = pod({"limits": {"cpu": "1"}}, {"limits": {"cpu": "1500m"}})
    assert list(pod_problems(made, [{"type": "Pod", "max": {"cpu": "2"}}])) == [
        "maximum cpu usage per Pod is 2, but limit is 2500m"
    ]


def test_claims_have_a_size_to_keep_to() -> None:
    claim = {"spec": {"resources": {"requests": {"storage": "5Gi"}}}}
    limits = [{"type": "PersistentVolumeClaim", "min": {"storage": "6Gi"}, "max": {"storage": "2Gi"}}]
    assert list(claim_problems(claim, limits)) == [
        "minimum storage usage per PersistentVolumeClaim is 6Gi, but request is 5Gi",
        "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 5Gi",
    ]


def test_what_a_limit_range_leaves_open_follows_from_the_rest() -> None:
    item: Json = {"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "10m", "memory": "odd"}}
    default_limit_range({"spec": {"limits": [item, {"type": "Pod", "max": {"cpu": "4"}}]}})
    assert item["default"] == {"cpu": "2"}
    assert item["defaultRequest"] == {"cpu": "2", "memory": "odd"}
