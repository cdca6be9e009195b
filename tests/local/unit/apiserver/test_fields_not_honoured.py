"""Every field of workloads, volumes and policies either does what it does in Kubernetes or earns a warning."""

from typing import Any

import pytest

from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from crossfade_local.apiserver.writing.fields_not_honoured import HONOURED, NOT_HONOURED, warnings_for

KINDS = sorted(HONOURED)
HOOKS = ("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy")


def fields_of(group: str, kind: str) -> set[str]:
    registry = Registry(BuiltinTypes.load())
    (node,) = (found.schema for found in registry if (found.group, found.kind) == (group, kind))
    spec = node.child("spec")
    if spec is None:
        return set(node.properties) - {"apiVersion", "kind", "metadata", "status"}
    return {f"spec.{name}" for name in spec.properties}


@pytest.mark.parametrize("kind", KINDS, ids="/".join)
def test_no_field_is_left_unclassified(kind: tuple[str, str]) -> None:
    told = {path for path in NOT_HONOURED.get(kind, {}) if path.count(".") < 2}
    assert HONOURED[kind] | told == fields_of(*kind)
    assert not HONOURED[kind] & told


@pytest.mark.parametrize(
    ("kind", "obj", "field"),
    [
        (HOOKS, {"spec": {"auditAnnotations": [{"key": "k"}]}}, "spec.auditAnnotations"),
        (HOOKS, {"spec": {"validationActions": ["Warn", "Audit"]}}, "Audit in spec.validationActions"),
        (("", "v1", "PersistentVolumeClaim"), {"spec": {"dataSource": {"name": "s"}}}, "spec.dataSource"),
        (("", "v1", "PersistentVolume"), {"spec": {"nfs": {"path": "/"}}}, "spec.nfs"),
        (("", "v1", "PersistentVolume"), {"spec": {"csi": {"driver": "ebs"}}}, "spec.csi.driver"),
        (
            ("storage.k8s.io", "v1", "StorageClass"),
            {"provisioner": "local-path.crossfade", "parameters": {"a": "b"}},
            "parameters",
        ),
    ],
)
def test_a_field_that_does_nothing_is_named(kind: tuple[str, str, str], obj: dict[str, Any], field: str) -> None:
    (warning,) = warnings_for(kind, obj)
    assert warning.startswith(f"the embedded cluster does not honour {field}: ")


@pytest.mark.parametrize(
    ("kind", "obj"),
    [
        (("storage.k8s.io", "v1", "StorageClass"), {"provisioner": "ebs", "parameters": {"a": "b"}}),
        (("", "v1", "PersistentVolume"), {"spec": {"csi": {"driver": "local-path.crossfade"}}}),
        (("", "v1", "Pod"), {"spec": {}}),
    ],
)
def test_what_is_honoured_earns_none(kind: tuple[str, str, str], obj: dict[str, Any]) -> None:
    assert not list(warnings_for(kind, obj))
