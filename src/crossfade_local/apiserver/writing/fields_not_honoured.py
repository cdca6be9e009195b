"""Fields of workloads, volumes and policies that are stored but change nothing: whoever sets one gets a warning.

The fields of pods themselves are not this module's; a pod template is one field here.
"""

from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.local_volumes import DRIVER
from crossfade_local.values.fields import at, sequence, text

_HOW: Final = "the embedded cluster does not honour {field}: {consequence}"
_NO_VOLUME: Final = f"{DRIVER} makes no volume for such a claim"
_NO_MOUNT: Final = "pods cannot mount a volume of this kind; use csi, hostPath or local"
_NO_AUDIT: Final = "there is no audit log"
_ADMISSION: Final = "admissionregistration.k8s.io"
_OF_REPLICAS: Final = frozenset({"spec.minReadySeconds", "spec.replicas", "spec.selector", "spec.template"})

HONOURED: Final[dict[tuple[str, str], frozenset[str]]] = {
    (_ADMISSION, "MutatingAdmissionPolicy"): frozenset(
        {
            "spec.failurePolicy", "spec.matchConditions", "spec.matchConstraints", "spec.mutations", "spec.paramKind",
            "spec.reinvocationPolicy", "spec.variables",
        }
    ),
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): frozenset(
        {"spec.matchResources", "spec.paramRef", "spec.policyName"}
    ),
    (_ADMISSION, "ValidatingAdmissionPolicy"): frozenset(
        {
            "spec.failurePolicy", "spec.matchConditions", "spec.matchConstraints", "spec.paramKind", "spec.validations",
            "spec.variables",
        }
    ),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): frozenset(
        {"spec.matchResources", "spec.paramRef", "spec.policyName", "spec.validationActions"}
    ),
    ("apps", "DaemonSet"): frozenset(
        {"spec.minReadySeconds", "spec.revisionHistoryLimit", "spec.selector", "spec.template", "spec.updateStrategy"}
    ),
    ("apps", "Deployment"): frozenset(
        {
            "spec.minReadySeconds", "spec.paused", "spec.progressDeadlineSeconds", "spec.replicas",
            "spec.revisionHistoryLimit", "spec.selector", "spec.strategy", "spec.template",
        }
    ),
    ("apps", "ReplicaSet"): _OF_REPLICAS,
    ("apps", "StatefulSet"): frozenset(
        {
            "spec.minReadySeconds", "spec.ordinals", "spec.persistentVolumeClaimRetentionPolicy",
            "spec.podManagementPolicy", "spec.replicas", "spec.revisionHistoryLimit", "spec.selector",
            "spec.serviceName", "spec.template", "spec.updateStrategy", "spec.volumeClaimTemplates",
        }
    ),
    ("batch", "CronJob"): frozenset(
        {
            "spec.concurrencyPolicy", "spec.failedJobsHistoryLimit", "spec.jobTemplate", "spec.schedule",
            "spec.startingDeadlineSeconds", "spec.successfulJobsHistoryLimit", "spec.suspend", "spec.timeZone",
        }
    ),
    ("batch", "Job"): frozenset(
        {
            "spec.activeDeadlineSeconds", "spec.backoffLimit", "spec.backoffLimitPerIndex", "spec.completionMode",
            "spec.completions", "spec.managedBy", "spec.manualSelector", "spec.maxFailedIndexes", "spec.parallelism",
            "spec.podFailurePolicy", "spec.podReplacementPolicy", "spec.selector", "spec.successPolicy",
            "spec.suspend", "spec.template", "spec.ttlSecondsAfterFinished",
        }
    ),
    ("", "PersistentVolumeClaim"): frozenset(
        {
            "spec.accessModes", "spec.resources", "spec.selector", "spec.storageClassName", "spec.volumeMode",
            "spec.volumeName",
        }
    ),
    ("", "ReplicationController"): _OF_REPLICAS,
    ("", "PersistentVolume"): frozenset(
        {
            "spec.accessModes", "spec.capacity", "spec.claimRef", "spec.csi", "spec.hostPath", "spec.local",
            "spec.nodeAffinity", "spec.persistentVolumeReclaimPolicy", "spec.storageClassName", "spec.volumeMode",
        }
    ),
    ("storage.k8s.io", "StorageClass"): frozenset(
        {"allowVolumeExpansion", "provisioner", "reclaimPolicy", "volumeBindingMode"}
    ),
}  # fmt: skip
"""Every field of the spec (of the object, where there is none) that does here what it does in Kubernetes."""

NOT_HONOURED: Final[dict[tuple[str, str], dict[str, str]]] = {
    (_ADMISSION, "ValidatingAdmissionPolicy"): {"spec.auditAnnotations": _NO_AUDIT},
    ("", "PersistentVolumeClaim"): {
        "spec.dataSource": _NO_VOLUME,
        "spec.dataSourceRef": _NO_VOLUME,
        "spec.volumeAttributesClassName": _NO_VOLUME,
    },
    ("", "PersistentVolume"): {
        "spec.mountOptions": "the volume is mounted without them",
        "spec.volumeAttributesClassName": "the volume stays as it is",
        **dict.fromkeys(
            (
                "spec.awsElasticBlockStore", "spec.azureDisk", "spec.azureFile", "spec.cephfs", "spec.cinder",
                "spec.fc", "spec.flexVolume", "spec.flocker", "spec.gcePersistentDisk", "spec.glusterfs",
                "spec.iscsi", "spec.nfs", "spec.photonPersistentDisk", "spec.portworxVolume", "spec.quobyte",
                "spec.rbd", "spec.scaleIO", "spec.storageos", "spec.vsphereVolume",
            ),
            _NO_MOUNT,
        ),
    },
    ("storage.k8s.io", "StorageClass"): dict.fromkeys(
        ("allowedTopologies", "mountOptions", "parameters"), f"{DRIVER} makes no volumes of a class that sets it"
    ),
}  # fmt: skip


def warnings_for(kind_key: tuple[str, str, str], obj: JsonObject) -> Iterator[str]:
    """`kind_key` is (group, version, kind) of the object's stored form."""
    key = kind_key[0], kind_key[2]
    if key == ("storage.k8s.io", "StorageClass") and text(obj, "provisioner") != DRIVER:
        # Somebody else's provisioner may well know them.
        return
    for field, consequence in NOT_HONOURED.get(key, {}).items():
        if at(obj, *field.split(".")):
            yield _HOW.format(field=field, consequence=consequence)
    if key == ("", "PersistentVolume") and (driver := text(obj, "spec", "csi", "driver")) not in ("", DRIVER):
        yield _HOW.format(
            field="spec.csi.driver", consequence=f"pods cannot mount volumes of {driver}, only of {DRIVER}"
        )
    if "Audit" in sequence(obj, "spec", "validationActions"):
        yield _HOW.format(field="Audit in spec.validationActions", consequence=_NO_AUDIT)
