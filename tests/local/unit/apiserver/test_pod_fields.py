"""Every field of a pod does what it does in Kubernetes, earns a warning, or is listed as untold."""

from typing import Any

import pytest

from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.writing import pod_fields
from crossfade_local.apiserver.writing.advice import warnings_on_create
from crossfade_local.apiserver.writing.pod_fields import unhonoured_fields


@pytest.fixture(scope="module")
def spec() -> SchemaNode:
    registry = Registry(BuiltinTypes.load())
    (pod,) = (found.schema for found in registry if (found.group, found.kind) == ("", "Pod"))
    found = pod.child("spec")
    assert found is not None
    return found


def test_no_field_of_a_pod_is_left_unclassified(spec: SchemaNode) -> None:
    classes = (pod_fields.HONOURED, frozenset(pod_fields.NOT_HONOURED), pod_fields.UNTOLD)
    assert frozenset().union(*classes) == set(spec.properties)
    assert sum(map(len, classes)) == len(set(spec.properties))


def test_no_field_of_a_container_is_left_unclassified(spec: SchemaNode) -> None:
    classes = (
        pod_fields.CONTAINER_HONOURED, frozenset(pod_fields.CONTAINER_NOT_HONOURED), pod_fields.CONTAINER_UNTOLD
    )  # fmt: skip
    known: set[str] = set()
    for key in ("containers", "initContainers", "ephemeralContainers"):
        containers = spec.child(key)
        assert containers is not None
        assert containers.items is not None
        known |= set(containers.items.properties)
    assert frozenset().union(*classes) == known
    assert sum(map(len, classes)) == len(known)


@pytest.mark.parametrize(
    ("pod", "field"),
    [
        ({"hostnameOverride": "a"}, "hostnameOverride"),
        ({"setHostnameAsFQDN": True}, "setHostnameAsFQDN"),
        ({"os": {"name": "windows"}}, "os"),
        ({"resourceClaims": [{"name": "gpu"}]}, "resourceClaims"),
        ({"containers": [{"volumeDevices": [{"name": "a"}]}]}, "containers[0].volumeDevices"),
        (
            {"initContainers": [{}, {"volumeMounts": [{"mountPropagation": "Bidirectional"}]}]},
            "initContainers[1].volumeMounts[0].mountPropagation",
        ),
        ({"volumes": [{"name": "a", "emptyDir": {"medium": "HugePages-2Mi"}}]}, "volumes[0].emptyDir.medium"),
    ],
)
def test_a_field_that_does_nothing_is_named(pod: dict[str, Any], field: str) -> None:
    (warning,) = unhonoured_fields("spec", pod)
    assert warning.startswith(f"spec.{field}: the embedded cluster does not honour it: ")


@pytest.mark.parametrize(
    "pod",
    [
        {"setHostnameAsFQDN": False, "os": {"name": "linux"}, "resourceClaims": []},
        {"containers": [{"volumeMounts": [{"mountPropagation": "None", "recursiveReadOnly": "Disabled"}]}]},
        {"enableServiceLinks": False, "volumes": [{"name": "a", "emptyDir": {"sizeLimit": "1Mi"}}]},
    ],
)
def test_what_asks_for_nothing_else_than_there_is_earns_none(pod: dict[str, Any]) -> None:
    assert not list(unhonoured_fields("spec", pod))


def test_a_template_is_looked_into_wherever_it_stands() -> None:
    spec = {"template": {"spec": {"hostnameOverride": "a"}}}
    (of_job,) = warnings_on_create(("batch", "v1", "Job"), {"spec": spec})
    assert of_job.startswith("spec.template.spec.hostnameOverride: ")
    (of_cron_job,) = warnings_on_create(("batch", "v1", "CronJob"), {"spec": {"jobTemplate": {"spec": spec}}})
    assert of_cron_job.startswith("spec.jobTemplate.spec.template.spec.hostnameOverride: ")
