from typing import Any

import pytest

from crossfade_local.controllers.volumes import binding
from crossfade_local.controllers.volumes.binding import Bind, Lost, Provision, Wait
from crossfade_local.local_volumes import DRIVER
from tests.local.unit.controllers.objects import Json


def claim(size: str = "1Gi", *, annotations: Json | None = None, **spec: Any) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "tapes", "namespace": "prod", "uid": "c", "resourceVersion": "7", "annotations": annotations or {},
        },
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "storageClassName": "local-path",
            "volumeMode": "Filesystem",
            **spec,
        },
    }  # fmt: skip


def volume(name: str, size: str = "1Gi", *, labels: Json | None = None, phase: str = "Available", **spec: Any) -> Json:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
            "capacity": {"storage": size},
            "storageClassName": "local-path",
            "persistentVolumeReclaimPolicy": "Delete",
            "csi": {"driver": DRIVER, "volumeHandle": name},
            **spec,
        },
        "status": {"phase": phase},
    }


def storage_class(**values: Any) -> Json:
    return {"metadata": {"name": "local-path"}, "provisioner": DRIVER, "volumeBindingMode": "Immediate", **values}


OURS = {"namespace": "prod", "name": "tapes", "uid": "c"}
NAMED = {"namespace": "prod", "name": "tapes"}
OTHERS = {"namespace": "prod", "name": "tapes", "uid": "former"}
WAITING = storage_class(volumeBindingMode="WaitForFirstConsumer")


def decide(
    wanted: Json, *available: Json, own: Json | None = None, known: Json | None = None, is_wanted: bool = True
) -> Any:
    classes = {"local-path": known} if known else {}
    return binding.decide(wanted, own=own, available=available, classes=classes, is_wanted=is_wanted)


@pytest.mark.parametrize(
    ("wanted", "volumes", "chosen"),
    [
        (claim("2Gi"), [volume("large", "9Gi"), volume("small", "1Gi"), volume("fits", "2Gi")], "fits"),
        (claim("2Gi"), [volume("small", "1999Mi")], None),
        (claim(), [volume("b"), volume("a")], "a"),
        (claim(), [volume("fits"), volume("reserved", "9Gi", claimRef=NAMED)], "reserved"),
        (claim(), [volume("others", claimRef=OTHERS)], None),
        (claim(), [volume("released", phase="Released")], None),
        (claim(accessModes=["ReadWriteMany"]), [volume("a")], None),
        (claim(storageClassName=""), [volume("a")], None),
        (claim(storageClassName=""), [volume("a", storageClassName=None)], "a"),
        (claim(volumeMode="Block"), [volume("a")], None),
        (claim(selector={"matchLabels": {"kind": "tape"}}), [volume("a"), volume("b", labels={"kind": "tape"})], "b"),
    ],
)  # fmt: skip
def test_the_smallest_fitting_volume_is_taken(wanted: Json, volumes: list[Json], chosen: str | None) -> None:
    found = binding.best_volume(wanted, volumes)
    assert (found and found["metadata"]["name"]) == chosen


@pytest.mark.parametrize(
    ("known", "wanted", "expected"),
    [
        (storage_class(), claim(), Provision(storage_class())),
        (WAITING, claim(), Provision(WAITING)),
        (None, claim(), "ProvisioningFailed"),
        (None, claim(storageClassName=""), "FailedBinding"),
        (storage_class(provisioner="kubernetes.io/no-provisioner"), claim(), "FailedBinding"),
        (storage_class(provisioner="ebs.csi.aws.com"), claim(), "ExternalProvisioning"),
        (storage_class(), claim(volumeMode="Block"), "ProvisioningFailed"),
        (storage_class(), claim(dataSource={"kind": "VolumeSnapshot", "name": "s"}), "ProvisioningFailed"),
        (storage_class(parameters={"type": "gp3"}), claim(), "ProvisioningFailed"),
    ],
)
def test_without_a_volume_one_is_made_or_the_reason_told(known: Json | None, wanted: Json, expected: Any) -> None:
    found = decide(wanted, known=known)
    assert (found.reason if isinstance(found, Wait) else found) == expected


def test_a_claim_may_wait_for_its_first_pod() -> None:
    assert decide(claim(), volume("a"), known=WAITING, is_wanted=False).reason == "WaitForFirstConsumer"
    assert decide(claim(), volume("a"), known=WAITING) == Bind(volume("a"))


def test_a_volume_made_for_the_claim_is_its_own_even_before_the_claim_says_so() -> None:
    made = binding.new_volume(claim(), storage_class(), "node")
    assert made["metadata"]["name"] == binding.volume_name(claim()) == "pvc-c"
    assert decide(claim(), known=WAITING, own=made, is_wanted=False) == Bind(made)


@pytest.mark.parametrize(
    ("own", "was_bound", "expected"),
    [
        (volume("v", claimRef=OURS), True, Bind),
        (volume("v"), False, Bind),
        (None, True, Lost),
        (None, False, Wait),
        (volume("v", claimRef=OTHERS), True, Lost),
        (volume("v", claimRef=OTHERS), False, Wait),
    ],
)
def test_a_claim_that_names_its_volume(own: Json | None, was_bound: bool, expected: type) -> None:
    notes = {binding.BIND_COMPLETED: "yes"} if was_bound else {}
    assert isinstance(decide(claim(volumeName="v", annotations=notes), own=own), expected)


def test_binding_writes_each_into_the_other_once() -> None:
    wanted, made = claim(), volume("v")
    bound = binding.bound_volume(made, wanted)
    assert binding.bound_volume(bound, wanted) is bound
    taken = binding.bound_claim(wanted, bound)
    assert (taken["spec"]["volumeName"], taken["metadata"]["annotations"][binding.BIND_COMPLETED]) == ("v", "yes")
    assert binding.bound_claim(taken, bound) is taken


@pytest.mark.parametrize(
    ("reference", "owner", "phase"),
    [
        (None, None, "Available"),
        ({"namespace": "prod", "name": "tapes"}, claim(), "Available"),
        (OURS, claim(), "Bound"),
        (OURS, claim(volumeName="v"), "Bound"),
        (OURS, claim(volumeName="another"), "Released"),
        (OTHERS, claim(), "Released"),
        (OURS, None, "Released"),
    ],
)
def test_phase_of_a_volume(reference: Json | None, owner: Json | None, phase: str) -> None:
    assert binding.phase_of(volume("v", **({"claimRef": reference} if reference else {})), owner) == phase


def test_a_volume_of_ours_grows_with_its_claim() -> None:
    bound = volume("v", claimRef=OURS)
    assert binding.bound_volume(bound, claim("2Gi"))["spec"]["capacity"] == {"storage": "2Gi"}
    others = volume("v", claimRef=OURS, csi={"driver": "ebs"})
    assert binding.bound_volume(others, claim("2Gi")) is others
