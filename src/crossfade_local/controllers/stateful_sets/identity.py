"""Who the pods of a StatefulSet are: names, numbers, labels, and the claims that stay with each name; all pure."""

import re
from collections.abc import Iterator
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.history import template_of
from crossfade_local.controllers.objects import controller_ref, name_of, namespace_of, uid_of

REVISION_LABEL: Final = "controller-revision-hash"
HASH_LABEL: Final = "controller.kubernetes.io/hash"
_NAME_LABEL: Final = "statefulset.kubernetes.io/pod-name"
_INDEX_LABEL: Final = "apps.kubernetes.io/pod-index"
_NUMBERED: Final = re.compile(r"(.*)-(0|[1-9][0-9]{0,9})", re.DOTALL)


def ordinal_of(stateful_set: JsonObject, pod: JsonObject) -> int | None:
    """None for a pod whose name is not one of this StatefulSet's."""
    found = _NUMBERED.fullmatch(name_of(pod))
    return int(found[2]) if found and found[1] == name_of(stateful_set) else None


def ordinals_of(stateful_set: JsonObject) -> range:
    """The numbers that pods should have."""
    spec = stateful_set["spec"]
    start = int((spec.get("ordinals") or {}).get("start") or 0)
    replicas = spec.get("replicas")
    return range(start, start + (1 if replicas is None else int(replicas)))


def revision_of(pod: JsonObject) -> str:
    return (pod["metadata"].get("labels") or {}).get(REVISION_LABEL) or ""


def new_pod(stateful_set: JsonObject, revision: JsonObject, ordinal: int) -> JsonObject:
    template = template_of(revision)
    metadata, name = template.get("metadata") or {}, f"{name_of(stateful_set)}-{ordinal}"
    own = {_NAME_LABEL: name, _INDEX_LABEL: str(ordinal), REVISION_LABEL: name_of(revision)}
    kept = {key: metadata[key] for key in ("annotations", "finalizers") if metadata.get(key)}
    service = stateful_set["spec"].get("serviceName")
    spec = {**template["spec"], "hostname": name, **({"subdomain": service} if service else {})}
    if volumes := _volumes(stateful_set, template["spec"], ordinal):
        spec["volumes"] = volumes
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": f"{name_of(stateful_set)}-",
            "namespace": namespace_of(stateful_set),
            "labels": {**(metadata.get("labels") or {}), **own},
            **kept,
            "ownerReferences": [controller_ref(stateful_set)],
        },
        "spec": spec,
    }


def claims_of(stateful_set: JsonObject, ordinal: int) -> Iterator[JsonObject]:
    """The claims that the pod of this number needs, as they are to be created."""
    labels = (stateful_set["spec"].get("selector") or {}).get("matchLabels") or {}
    for template in _claim_templates(stateful_set):
        metadata = template.get("metadata") or {}
        kept = {key: metadata[key] for key in ("annotations", "finalizers") if metadata.get(key)}
        yield {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": _claim_name(stateful_set, template, ordinal),
                "namespace": namespace_of(stateful_set),
                "labels": {**(metadata.get("labels") or {}), **labels},
                **kept,
            },
            "spec": template["spec"],
        }


def claim_owners(
    stateful_set: JsonObject, claim: JsonObject, pod: JsonObject | None, *, is_condemned: bool
) -> list[JsonObject]:
    """The owners that the claim should have by persistentVolumeClaimRetentionPolicy: with the last one it goes."""
    policy = stateful_set["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    ours = {uid_of(stateful_set)} | ({uid_of(pod)} if pod is not None else set())
    others = [item for item in claim["metadata"].get("ownerReferences") or () if item["uid"] not in ours]
    if policy.get("whenScaled") == "Delete" and is_condemned:
        return [*others, controller_ref(pod)] if pod is not None else others
    if policy.get("whenDeleted") == "Delete":
        return [*others, controller_ref(stateful_set)]
    return others


def _volumes(stateful_set: JsonObject, spec: JsonObject, ordinal: int) -> list[JsonObject]:
    """A claim takes the place of a volume of the same name."""
    claims = {
        template["metadata"]["name"]: {
            "name": template["metadata"]["name"],
            "persistentVolumeClaim": {"claimName": _claim_name(stateful_set, template, ordinal)},
        }
        for template in _claim_templates(stateful_set)
    }
    return [*claims.values(), *(item for item in spec.get("volumes") or () if item["name"] not in claims)]


def _claim_name(stateful_set: JsonObject, template: JsonObject, ordinal: int) -> str:
    return f"{template['metadata']['name']}-{name_of(stateful_set)}-{ordinal}"


def _claim_templates(stateful_set: JsonObject) -> list[JsonObject]:
    return stateful_set["spec"].get("volumeClaimTemplates") or []
