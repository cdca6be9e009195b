"""What the server sets on objects by itself."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from crossfade_local.apiserver.defaults import apply_defaults
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from crossfade_local.apiserver.writing.strategies import prepare_create, prepare_update

COUNT = "deprecated.daemonset.template.generation"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry(BuiltinTypes.load())


def test_a_daemon_set_counts_its_templates(registry: Registry, now: datetime) -> None:
    resource = registry.builtin("apps", "v1", "daemonsets")
    made: dict[str, Any] = {"metadata": {"annotations": {COUNT: "7", "a": "b"}}, "spec": {"template": {}}}
    prepare_create(resource, made, now)
    same = {"metadata": {}, "spec": {"template": {}, "minReadySeconds": 1}}
    other = {"metadata": {}, "spec": {"template": {"metadata": {}}}}

    assert made["metadata"]["annotations"] == {COUNT: "1", "a": "b"}
    assert prepare_update(resource, same, made, "", now)["metadata"]["annotations"] == {COUNT: "1"}
    assert prepare_update(resource, other, made, "", now)["metadata"]["annotations"] == {COUNT: "2"}


def test_a_volume_notes_when_it_came_into_its_phase(registry: Registry, now: datetime) -> None:
    resource = registry.builtin("", "v1", "persistentvolumes")
    made: dict[str, Any] = {"metadata": {}, "spec": {}}
    prepare_create(resource, made, now)
    later, noted = now + timedelta(hours=1), "lastPhaseTransitionTime"

    same = prepare_update(resource, {"metadata": {}, "status": made["status"]}, made, "status", later)
    bound = prepare_update(resource, {"metadata": {}, "status": {"phase": "Bound"}}, made, "status", later)

    assert made["status"][noted] == same["status"][noted] == "2026-01-01T12:00:00Z"
    assert bound["status"] == {"phase": "Bound", noted: "2026-01-01T13:00:00Z"}


@pytest.mark.parametrize(("own", "tied"), [({}, True), ({"c": "d"}, False)])
def test_a_job_without_labels_has_those_of_its_pods(
    registry: Registry, now: datetime, own: dict[str, str], tied: bool
) -> None:
    job = {
        "metadata": {"name": "j", "labels": own},
        "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}},
    }
    made = apply_defaults(("batch", "v1", "Job"), job)
    prepare_create(registry.builtin("batch", "v1", "jobs"), made, now)

    labels = made["metadata"]["labels"]
    assert labels == (made["spec"]["template"]["metadata"]["labels"] if tied else own)
    assert ("batch.kubernetes.io/controller-uid" in labels) == tied


def test_annotations_of_a_deployment_are_a_new_generation(registry: Registry, now: datetime) -> None:
    """They go to its ReplicaSets. What the controller notes through the status is nobody's new wish."""
    resource = registry.builtin("apps", "v1", "deployments")
    made: dict[str, Any] = {"metadata": {"annotations": {"a": "b"}}, "spec": {}}
    prepare_create(resource, made, now)
    for name, subresource, expected in (("a", "", 1), ("c", "", 2), ("c", "status", 1)):
        changed = {"metadata": {"annotations": {name: "b"}}, "spec": {}}
        updated = prepare_update(resource, changed, made, subresource, now)
        assert (updated["metadata"]["annotations"], updated["metadata"]["generation"]) == ({name: "b"}, expected)


def test_labels_of_a_slice_are_a_new_generation(registry: Registry, now: datetime) -> None:
    resource = registry.builtin("discovery.k8s.io", "v1", "endpointslices")
    made: dict[str, Any] = {"metadata": {"labels": {"a": "b"}}, "endpoints": []}
    prepare_create(resource, made, now)
    for labels, expected in (({"a": "b"}, 1), ({}, 2)):
        changed = {"metadata": {"labels": labels, "annotations": {"c": "d"}}, "endpoints": []}
        assert prepare_update(resource, changed, made, "", now)["metadata"]["generation"] == expected
