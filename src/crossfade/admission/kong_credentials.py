"""Rules of Kong's webhook for credentials: what a Secret must hold, what no two of them may (kong.md §1.10)."""

from collections.abc import Collection, Iterator

from crossfade.api.kong.consumer import KongConsumer
from crossfade.api.kong.credentials import CREDENTIAL_KINDS, credential_type, demanded_fields
from crossfade.compile.policies.registry import CREDENTIAL_TYPES
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import NamespacedName


def credential_problem(secret: Secret, snapshot: Snapshot, own: Collection[NamespacedName] | None) -> str | None:
    """`own` are Secrets that the value may be in; None for a Secret that no consumer refers to, which may hold any."""
    declared = credential_type(secret.metadata.labels, secret.data)
    if declared is None:
        return "secret has no credential type, add a konghq.com/credential label"
    kind = CREDENTIAL_KINDS.get(declared)
    if kind is None:
        return f"invalid credential type {declared}"
    demanded = demanded_fields(declared, secret.data)
    if missing := [name for name in demanded if name not in secret.data]:
        return f"missing required field(s): {', '.join(missing)}"
    if empty := [name for name in demanded if not secret.data[name]]:
        return f"some fields were invalid due to missing data: {', '.join(empty)}"
    if declared in CREDENTIAL_TYPES and (problem := CREDENTIAL_TYPES[declared].problem(secret.data)):
        return problem
    if own is None or kind.unique is None:
        return None
    claim = kind.claim(secret.data)
    for other in _of_consumers(snapshot):
        is_foreign = other.metadata.key not in own and other.metadata.key != secret.metadata.key
        is_same = kind.claim(other.data) == claim
        if is_foreign and is_same and credential_type(other.metadata.labels, other.data) == declared:
            return f"unique key constraint violated for {kind.unique}"
    return None


def is_referenced(secret: Secret, snapshot: Snapshot) -> bool:
    namespace, name = secret.metadata.key
    return any(item.metadata.namespace == namespace and name in item.credentials for item in snapshot.all(KongConsumer))


def _of_consumers(snapshot: Snapshot) -> Iterator[Secret]:
    for consumer in snapshot.all(KongConsumer):
        for name in consumer.credentials:
            secret = snapshot.get(Secret, consumer.metadata.namespace, name)
            if secret is not None:
                yield secret
