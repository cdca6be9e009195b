"""Namespaces as admission sees them: nothing is made in one that is missing or ending, and some may not be deleted."""

from collections.abc import Callable
from typing import Final

from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.wire.status import forbidden, not_found

IMMORTAL: Final = frozenset({"default", "kube-system", "kube-public"})
_BUCKET: Final = "/namespaces"


def namespace_lifecycle(storage: Storage) -> Callable[[Attributes], None]:
    def step(attributes: Attributes) -> None:
        if attributes.operation == "DELETE" and attributes.bucket == _BUCKET and attributes.name in IMMORTAL:
            raise forbidden("namespaces", "", attributes.name, "this namespace may not be deleted")
        if attributes.operation != "CREATE" or not attributes.resource.namespaced:
            return
        stored = storage.get(_BUCKET, "", attributes.namespace)
        if stored is None:
            raise not_found("namespaces", "", attributes.namespace)
        if stored.object["metadata"].get("deletionTimestamp"):
            raise _terminating(attributes)

    return step


def _terminating(attributes: Attributes) -> Exception:
    namespace = attributes.namespace
    error = forbidden(
        attributes.resource.plural,
        attributes.resource.group,
        attributes.told_name,
        f"unable to create new content in namespace {namespace} because it is being terminated",
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    error.details = {**(error.details or {}), "causes": [cause]}
    return error
