"""Reading Kubernetes objects as plain JSON: identity, ownership, labels, times and conditions; all pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from crossfade_kube.meta import JsonObject, LabelSelector, NamespacedName, Resource
from crossfade_kube.registry import ref_of

__all__ = [
    "condition_of",
    "controller_of",
    "controller_ref",
    "is_being_deleted",
    "key_of",
    "name_of",
    "namespace_of",
    "parsed_time",
    "pod_selector",
    "ref_of",
    "selector_of",
    "shown_selector",
    "stamp",
    "typed_owner",
    "uid_of",
    "version_of",
    "with_condition",
    "without_condition",
]


def name_of(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: JsonObject) -> str:
    return obj["metadata"].get("namespace") or ""


def key_of(obj: JsonObject) -> NamespacedName:
    return NamespacedName(namespace_of(obj), name_of(obj))


def uid_of(obj: JsonObject) -> str:
    return str(obj["metadata"].get("uid", ""))


def version_of(obj: JsonObject) -> int:
    """Versions of one resource are ordered; of objects without one, nothing is newer."""
    return int(obj["metadata"].get("resourceVersion") or 0)


def is_being_deleted(obj: JsonObject) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def controller_of(obj: JsonObject) -> JsonObject | None:
    """The owner reference with `controller: true`."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            found: JsonObject = owner
            return found
    return None


def typed_owner(obj: JsonObject, resource: Resource) -> NamespacedName | None:
    """The controller of `obj` if it is of that kind, in whatever version."""
    owner = controller_of(obj)
    if owner is None or owner["kind"] != resource.kind or owner["apiVersion"].rpartition("/")[0] != resource.group:
        return None
    return NamespacedName(namespace_of(obj), owner["name"])


def controller_ref(owner: JsonObject) -> JsonObject:
    """The reference with which `owner` controls another object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def selector_of(raw: Mapping[str, Any] | None) -> LabelSelector | None:
    """None for an absent or empty selector, which controllers take to match nothing."""
    selector = msgspec.convert(raw or {}, LabelSelector)
    return selector if selector.match_labels or selector.match_expressions else None


def pod_selector(owner: JsonObject) -> LabelSelector | None:
    """Of a workload; a ReplicationController's is a plain map of labels."""
    raw = owner["spec"].get("selector")
    return selector_of({"matchLabels": raw or {}} if owner["kind"] == "ReplicationController" else raw)


def shown_selector(raw: Mapping[str, Any] | None) -> str:
    """As Go prints it, in messages."""
    if raw is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted((raw.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{item['key']},Operator:{item['operator']},"
        f"Values:[{' '.join(item.get('values') or ())}],}},"
        for item in raw.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


def stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def condition_of(status: JsonObject, kind: str) -> JsonObject | None:
    for condition in status.get("conditions") or ():
        if condition["type"] == kind:
            found: JsonObject = condition
            return found
    return None


def without_condition(conditions: list[JsonObject], kind: str) -> list[JsonObject]:
    return [condition for condition in conditions if condition["type"] != kind]


def with_condition(conditions: list[JsonObject], new: JsonObject) -> list[JsonObject]:
    """The new condition last, its transition time kept when its status did not change.

    A condition whose status and reason are known already stays as it is, message included.
    """
    known = condition_of({"conditions": conditions}, new["type"])
    if known is not None and known["status"] == new["status"]:
        if known.get("reason") == new.get("reason"):
            return conditions
        new = {**new, "lastTransitionTime": known["lastTransitionTime"]}
    return [*without_condition(conditions, new["type"]), new]
