"""Which ReplicaSet is the current revision of a Deployment, and what a new one looks like; all pure.

Annotations, labels and the alphabet of hashes are Kubernetes', so kubectl's rollout commands work on them.
"""

from hashlib import blake2b
from typing import Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.controllers.objects import controller_ref, name_of, namespace_of

REVISION: Final = "deployment.kubernetes.io/revision"
REVISION_HISTORY: Final = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS: Final = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS: Final = "deployment.kubernetes.io/max-replicas"
HASH_LABEL: Final = "pod-template-hash"
_NOT_COPIED: Final = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        REVISION_HISTORY,
        DESIRED_REPLICAS,
        MAX_REPLICAS,
        "deprecated.deployment.rollback.to",
    }
)
# The server's alphabet for generated names: no vowels, no digits that look like letters.
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: JsonObject, collisions: int) -> str:
    """Ten characters; `collisions` changes them when another template already has the hash."""
    content = orjson.dumps([template, collisions], option=orjson.OPT_SORT_KEYS)
    number = int.from_bytes(blake2b(content, digest_size=8).digest())
    letters = []
    for _ in range(10):
        number, index = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[index])
    return "".join(letters)


def replica_set_of(deployment: JsonObject, replica_sets: list[JsonObject]) -> JsonObject | None:
    """The oldest one made from the Deployment's present template."""
    wanted = _without_hash(deployment["spec"]["template"])
    same = [item for item in replica_sets if _without_hash(item["spec"]["template"]) == wanted]
    return min(same, key=_age_key, default=None)


def by_age(replica_sets: list[JsonObject]) -> list[JsonObject]:
    """Oldest first."""
    return sorted(replica_sets, key=_age_key)


def revision_of(obj: JsonObject) -> int:
    """0 without one."""
    try:
        return int((obj["metadata"].get("annotations") or {}).get(REVISION, 0))
    except ValueError:
        return 0


def annotations_for(
    deployment: JsonObject, replica_set: JsonObject | None, old_sets: list[JsonObject]
) -> dict[str, str]:
    """What the current ReplicaSet's annotations should be: the Deployment's, and a revision above all old ones."""
    mine = dict((replica_set or {"metadata": {}})["metadata"].get("annotations") or {})
    theirs = deployment["metadata"].get("annotations") or {}
    wanted = mine | {key: value for key, value in theirs.items() if key not in _NOT_COPIED}
    newest = max((revision_of(item) for item in old_sets), default=0) + 1
    known = revision_of(replica_set) if replica_set is not None else 0
    if known < newest:
        wanted[REVISION] = str(newest)
        if known:
            earlier = [mine[REVISION_HISTORY]] if mine.get(REVISION_HISTORY) else []
            wanted[REVISION_HISTORY] = ",".join([*earlier, str(known)])
    return wanted


def new_replica_set(
    deployment: JsonObject, old_sets: list[JsonObject], *, replicas: int, max_replicas: int
) -> JsonObject:
    """The object to create for the Deployment's present template."""
    spec = deployment["spec"]
    code = template_hash(spec["template"], (deployment.get("status") or {}).get("collisionCount") or 0)
    template = {**spec["template"], "metadata": dict(spec["template"].get("metadata") or {})}
    template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), HASH_LABEL: code}
    selector = dict(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: code}
    sizes = {DESIRED_REPLICAS: str(spec.get("replicas", 1)), MAX_REPLICAS: str(max_replicas)}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{name_of(deployment)}-{code}",
            "namespace": namespace_of(deployment),
            "labels": template["metadata"]["labels"],
            "annotations": annotations_for(deployment, None, old_sets) | sizes,
            "ownerReferences": [controller_ref(deployment)],
        },
        "spec": {
            "replicas": replicas,
            **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
            "selector": selector,
            "template": template,
        },
    }


def _age_key(replica_set: JsonObject) -> tuple[str, str]:
    return replica_set["metadata"].get("creationTimestamp") or "", name_of(replica_set)


def _without_hash(template: JsonObject) -> JsonObject:
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value}
    labels = {key: value for key, value in metadata.pop("labels", {}).items() if key != HASH_LABEL}
    return {**template, "metadata": {**metadata, "labels": labels}}
