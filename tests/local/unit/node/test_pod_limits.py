"""Which limits of a pod are kept, and what is said of those that are not."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from crossfade_kube.meta import JsonObject
from crossfade_local.cgroups import Group, Limits
from crossfade_local.kubelet.limits import Limiter, container_limits, limited_fields, pod_limits
from crossfade_local.kubelet.local_storage import Used, excess, is_limited

MIB = 1 << 20


def limited(**amounts: str) -> JsonObject:
    return {"resources": {"limits": {name.replace("_", "-"): value for name, value in amounts.items()}}}


def pod(*containers: JsonObject, **spec: Any) -> JsonObject:
    named = [{"name": f"c{number}", **one} for number, one in enumerate(containers)]
    return {"metadata": {"uid": "u"}, "spec": {"containers": named, **spec}}


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ({}, Limits()),
        ({"cpu": "250m"}, Limits(Fraction(1, 4))),
        ({"cpu": "0", "memory": "0"}, Limits()),
        ({"memory": "1.5Mi"}, Limits(None, 3 * MIB // 2)),
        ({"ephemeral_storage": "1Mi"}, Limits()),
    ],
)
def test_limits_of_a_container(amounts: dict[str, str], expected: Limits) -> None:
    assert container_limits(limited(**amounts)) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pod(limited(memory="1Mi"), limited(memory="2Mi", cpu="1")), Limits(None, 3 * MIB)),
        (pod(limited(memory="1Mi"), {}), Limits()),
        (pod(limited(memory="1Mi"), initContainers=[{}]), Limits()),
        (pod(limited(memory="1Mi"), initContainers=[limited(memory="4Mi")]), Limits(None, 4 * MIB)),
        (pod({}, {}, **limited(cpu="2", memory="8Mi")), Limits(Fraction(2), 8 * MIB)),
    ],
)
def test_limits_of_a_pod(found: JsonObject, expected: Limits) -> None:
    assert pod_limits(found) == expected


def test_only_pods_with_limits_get_a_group(tmp_path: Path) -> None:
    limiter = Limiter(Group(tmp_path, tmp_path))
    assert limiter.for_pod(pod({})) is None
    group = limiter.for_pod(pod(limited(memory="1Mi")))
    assert group is not None
    assert (group.memory.name, (group.memory / "memory.max").read_text()) == ("podu", str(MIB))


def test_where_there_are_no_groups_the_fields_are_named() -> None:
    limiter = Limiter(problem="no control groups can be made (none)")
    found = pod(limited(memory="1Mi"), {}, initContainers=[limited(cpu="1")])
    assert list(limited_fields(found["spec"])) == [
        "spec.initContainers[0].resources.limits",
        "spec.containers[0].resources.limits",
    ]
    assert limiter.for_pod(found) is None
    said = limiter.complaint(found["spec"])
    assert said.startswith("spec.initContainers[0].resources.limits, spec.containers[0].resources.limits: ")
    assert "(none); run the cluster as root" in said
    assert not limiter.complaint(pod({})["spec"])


def volume(**source: str) -> JsonObject:
    return {"volumes": [{"name": "v", "emptyDir": source}]}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pod({}, **volume()), False),
        (pod({}, **volume(sizeLimit="1Mi")), True),
        (pod({}, **volume(sizeLimit="1Mi", medium="Memory")), False),
        (pod(limited(ephemeral_storage="1Mi")), True),
        (pod(limited(memory="1Mi")), False),
    ],
)
def test_whose_local_storage_is_looked_at(found: JsonObject, expected: bool) -> None:
    assert is_limited(found) is expected


@pytest.mark.parametrize(
    ("found", "used", "expected"),
    [
        (pod({}, **volume(sizeLimit="1Mi")), Used({"v": MIB}, {}), ""),
        (
            pod({}, **volume(sizeLimit="1024Ki")),
            Used({"v": MIB + 1}, {}),
            'Usage of EmptyDir volume "v" exceeds the limit "1Mi". ',
        ),
        (pod({}, **volume(sizeLimit="0")), Used({"v": MIB}, {}), ""),
        (
            pod(limited(ephemeral_storage="1Mi"), limited(ephemeral_storage="1Mi"), **volume()),
            Used({"v": MIB}, {"c0": MIB, "c1": 1}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ",
        ),
        (
            pod(limited(ephemeral_storage="1Mi"), limited(ephemeral_storage="9Mi")),
            Used({}, {"c0": MIB + 1}),
            'Container c0 exceeded its local ephemeral storage limit "1Mi". ',
        ),
        (pod(limited(ephemeral_storage="1Mi"), {}), Used({}, {"c1": MIB}), ""),
    ],
)
def test_what_is_too_large_is_said_in_the_words_of_kubernetes(found: JsonObject, used: Used, expected: str) -> None:
    assert excess(found, used) == expected
