"""The containers which an empty object of a built-in kind already has.

Kubernetes compares a created object with the zero value of its Go type: structs held by value are there from the
start, so creating the object doesn't count as adding them.
"""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.types.zero_values import with_zero_values


def zero_object(obj: JsonObject, schema: SchemaNode) -> JsonObject:
    """The empty object of the same kind."""
    return with_zero_values(schema, {**{key: obj[key] for key in ("apiVersion", "kind") if key in obj}, "metadata": {}})


# What the server fills in after it noted who sent which field; so nobody manages these until someone writes them.
_FILLED_IN: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): ("preemptionPolicy", "priority", "serviceAccount", "serviceAccountName", "tolerations"),
    ("", "Service"): ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"),
}
_SENT_BY_NOBODY: Final = frozenset({"default", "PreemptLowerPriority"})
_DEFAULT_TOLERATIONS: Final = 2


def filled_in(obj: JsonObject) -> list[tuple[str, ...]]:
    """Paths of a new object that no client sent, as far as their values tell."""
    spec = obj.get("spec") or {}
    names = _FILLED_IN.get((str(obj.get("apiVersion") or "").rpartition("/")[0], str(obj.get("kind") or "")), ())
    return [("spec", name) for name in names if not _was_sent(name, spec.get(name))]


def _was_sent(name: str, value: object) -> bool:
    if name == "tolerations":
        return isinstance(value, list) and len(value) > _DEFAULT_TOLERATIONS
    if name in ("clusterIP", "clusterIPs"):
        return value in ("None", ["None"])
    return isinstance(value, str) and name != "ipFamilyPolicy" and value not in _SENT_BY_NOBODY
