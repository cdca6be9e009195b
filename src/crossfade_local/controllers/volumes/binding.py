"""What becomes of a claim, and of a volume: pure, with Kubernetes' reasons and messages."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from crossfade_kube.meta import JsonObject, LabelSelector
from crossfade_local.controllers.objects import is_being_deleted, name_of, namespace_of, uid_of
from crossfade_local.local_volumes import DRIVER
from crossfade_local.quantity import QuantityError, parse

NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
_PROVISIONER_NOTES: Final = (
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-provisioner",
)


class Bind(NamedTuple):
    """Give the claim this volume."""

    volume: JsonObject


class Provision(NamedTuple):
    """Make a volume of this class for the claim."""

    storage_class: JsonObject


class Wait(NamedTuple):
    """Nothing can be done now; the Event that says why, with an empty reason where Kubernetes says nothing."""

    reason: str = ""
    message: str = ""
    is_warning: bool = False


class Lost(NamedTuple):
    """The claim's volume is gone, and its data with it."""

    message: str


Decision = Bind | Provision | Wait | Lost


def decide(
    claim: JsonObject,
    *,
    own: JsonObject | None,
    available: Iterable[JsonObject],
    classes: Mapping[str, JsonObject],
    is_wanted: bool,
) -> Decision:
    """`own` is the volume that the claim names or that was made for it; `is_wanted`: a pod asks for the claim."""
    spec = claim["spec"]
    if spec.get("volumeName"):
        return _named(claim, own)
    if own is not None:
        return Bind(own)
    class_name = spec.get("storageClassName") or ""
    storage_class = classes.get(class_name)
    waits = (storage_class or {}).get("volumeBindingMode") == "WaitForFirstConsumer"
    if waits and not is_wanted:
        return Wait("WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    volume = best_volume(claim, available)
    if volume is not None:
        return Bind(volume)
    if not class_name:
        text = "no persistent volumes available for this claim and no storage class is set"
        return Wait("FailedBinding", text)
    if storage_class is None:
        return Wait("ProvisioningFailed", f'storageclass.storage.k8s.io "{class_name}" not found', is_warning=True)
    return _provision(claim, storage_class)


def _named(claim: JsonObject, own: JsonObject | None) -> Decision:
    name = claim["spec"]["volumeName"]
    was_bound = BIND_COMPLETED in (claim["metadata"].get("annotations") or {})
    if own is None:
        return Lost("Bound claim has lost its PersistentVolume. Data on the volume is lost!") if was_bound else Wait()
    reference = own["spec"].get("claimRef")
    if reference is None or _refers_to(reference, claim):
        return Bind(own)
    if was_bound:
        return Lost("Bound claim has lost reference to PersistentVolume. Data on the volume is lost!")
    return Wait("FailedBinding", f'volume "{name}" already bound to a different claim.')


def _provision(claim: JsonObject, storage_class: JsonObject) -> Decision:
    provisioner = storage_class.get("provisioner") or ""
    if provisioner == NO_PROVISIONER:
        text = "no persistent volumes available for this claim and no storage class is set"
        return Wait("FailedBinding", text)
    if provisioner != DRIVER:
        text = (
            "Waiting for a volume to be created either by the external provisioner "
            f"'{provisioner}' or manually by the system administrator. If volume creation is delayed, please verify "
            "that the provisioner is running and correctly registered."
        )
        return Wait("ExternalProvisioning", text)
    if problem := _unsupported(claim["spec"], storage_class):
        name = storage_class["metadata"]["name"]
        text = f'failed to provision volume with StorageClass "{name}": {problem}'
        return Wait("ProvisioningFailed", text, is_warning=True)
    return Provision(storage_class)


def _unsupported(spec: JsonObject, storage_class: JsonObject) -> str:
    """What our volumes, which are directories, cannot be; empty if nothing."""
    if spec.get("volumeMode") == "Block":
        return "spec.volumeMode Block is not available in the embedded cluster; use Filesystem"
    for field in ("selector", "dataSource", "dataSourceRef", "volumeAttributesClassName"):
        if spec.get(field):
            return f"spec.{field} is not available for volumes of {DRIVER}; remove it"
    for field in ("parameters", "mountOptions", "allowedTopologies"):
        if storage_class.get(field):
            return f"{field} of the StorageClass are not known to {DRIVER}; remove them"
    return ""


def best_volume(claim: JsonObject, volumes: Iterable[JsonObject]) -> JsonObject | None:
    """One that was reserved for the claim, else the smallest that is large enough."""
    fitting = [volume for volume in volumes if fits(claim, volume)]
    return min(
        fitting, key=lambda volume: (not volume["spec"].get("claimRef"), capacity_of(volume), name_of(volume)),
        default=None,
    )  # fmt: skip


def fits(claim: JsonObject, volume: JsonObject) -> bool:
    wanted, offered = claim["spec"], volume["spec"]
    reference = offered.get("claimRef")
    if is_being_deleted(volume) or (reference is not None and not _refers_to(reference, claim)):
        return False
    if (volume.get("status") or {}).get("phase") not in (None, "", "Pending", "Available"):
        return False
    same = (wanted.get("storageClassName") or "") == (offered.get("storageClassName") or "")
    same = same and (wanted.get("volumeMode") or "Filesystem") == (offered.get("volumeMode") or "Filesystem")
    enough = set(wanted.get("accessModes") or ()) <= set(offered.get("accessModes") or ())
    return same and enough and capacity_of(volume) >= requested_by(claim) and _is_selected(wanted, volume)


def _is_selected(wanted: JsonObject, volume: JsonObject) -> bool:
    raw = wanted.get("selector")
    return not raw or msgspec.convert(raw, LabelSelector).matches(volume["metadata"].get("labels") or {})


def capacity_of(volume: JsonObject) -> Fraction:
    return _amount(volume["spec"].get("capacity"))


def requested_by(claim: JsonObject) -> Fraction:
    return _amount((claim["spec"].get("resources") or {}).get("requests"))


def _amount(amounts: JsonObject | None) -> Fraction:
    try:
        return parse((amounts or {}).get("storage", 0))
    except QuantityError:
        return Fraction(0)


def _refers_to(reference: JsonObject, claim: JsonObject) -> bool:
    place = reference.get("namespace"), reference.get("name")
    return place == (namespace_of(claim), name_of(claim)) and reference.get("uid") in (None, "", uid_of(claim))


def volume_name(claim: JsonObject) -> str:
    """Of the volume that is made for a claim; always the same, so it is made once."""
    return f"pvc-{uid_of(claim)}"


def new_volume(claim: JsonObject, storage_class: JsonObject, node: str) -> JsonObject:
    spec, name = claim["spec"], volume_name(claim)
    terms = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: DRIVER}},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "claimRef": claim_ref(claim),
            "csi": {"driver": DRIVER, "volumeHandle": name},
            "nodeAffinity": {"required": {"nodeSelectorTerms": terms}},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy") or "Delete",
            "storageClassName": storage_class["metadata"]["name"],
            "volumeMode": "Filesystem",
        },
    }


def claim_ref(claim: JsonObject) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": namespace_of(claim),
        "name": name_of(claim),
        "uid": uid_of(claim),
        "resourceVersion": claim["metadata"]["resourceVersion"],
    }


def bound_volume(volume: JsonObject, claim: JsonObject) -> JsonObject:
    """The volume with the claim written into it; the same object if that is so already."""
    reference = volume["spec"].get("claimRef") or {}
    if reference.get("uid") == uid_of(claim):
        return _grown(volume, claim)
    annotations = dict(volume["metadata"].get("annotations") or {})
    if not reference:
        annotations[BOUND_BY_CONTROLLER] = "yes"
    return {
        **volume,
        "metadata": {**volume["metadata"], "annotations": annotations},
        "spec": {**volume["spec"], "claimRef": claim_ref(claim)},
    }


def _grown(volume: JsonObject, claim: JsonObject) -> JsonObject:
    """A volume of ours is as large as its claim asks for, once it is allowed to."""
    if not is_ours(volume) or requested_by(claim) <= capacity_of(volume):
        return volume
    capacity = {**volume["spec"]["capacity"], "storage": claim["spec"]["resources"]["requests"]["storage"]}
    return {**volume, "spec": {**volume["spec"], "capacity": capacity}}


def bound_claim(claim: JsonObject, volume: JsonObject) -> JsonObject:
    """The claim with the volume written into it; the same object if that is so already."""
    before = claim["metadata"].get("annotations") or {}
    annotations = {**before, BIND_COMPLETED: "yes"}
    if not claim["spec"].get("volumeName"):
        annotations[BOUND_BY_CONTROLLER] = "yes"
    if (volume["metadata"].get("annotations") or {}).get(PROVISIONED_BY):
        annotations |= dict.fromkeys(_PROVISIONER_NOTES, volume["metadata"]["annotations"][PROVISIONED_BY])
    if annotations == before and claim["spec"].get("volumeName") == name_of(volume):
        return claim
    return {
        **claim,
        "metadata": {**claim["metadata"], "annotations": annotations},
        "spec": {**claim["spec"], "volumeName": name_of(volume)},
    }


def bound_status(claim: JsonObject, volume: JsonObject) -> JsonObject:
    known = claim.get("status") or {}
    return {
        **known,
        "phase": "Bound",
        "accessModes": volume["spec"].get("accessModes") or [],
        "capacity": volume["spec"].get("capacity") or {},
    }


def phase_of(volume: JsonObject, claim: JsonObject | None) -> str:
    """`claim` is the one that the volume names, whoever it is by now."""
    reference = volume["spec"].get("claimRef")
    if not reference or not reference.get("uid"):
        return "Available"
    if claim is None or uid_of(claim) != reference["uid"]:
        return "Released"
    is_bound = claim["spec"].get("volumeName") in (None, "", name_of(volume))
    return "Bound" if is_bound else "Released"


def is_ours(volume: JsonObject) -> bool:
    return bool((volume["spec"].get("csi") or {}).get("driver") == DRIVER)


def claim_key(volume: JsonObject) -> tuple[str, str] | None:
    """(namespace, name) of the claim that the volume names."""
    reference = volume["spec"].get("claimRef")
    return (reference.get("namespace") or "", reference.get("name") or "") if reference else None
