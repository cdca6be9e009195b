"""Which requests rules and selectors of webhooks and policies choose."""

from collections.abc import Iterable
from typing import Any

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.selectors import selector_from_struct
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry, ResourceType


def version_in_rules(
    rules: Iterable[JsonObject], attributes: Attributes, registry: Registry, *, match_policy: str
) -> ResourceType | None:
    """The request's own resource, or another version of it, that a rule names; None if none does."""
    own, rules = attributes.resource, tuple(rules)
    if any(_rule_matches(rule, own, attributes) for rule in rules):
        return own
    if match_policy != "Equivalent":
        return None
    others = (other for other in registry.all_of(own.bucket) if other is not own)
    return next((other for other in others if any(_rule_matches(rule, other, attributes) for rule in rules)), None)


def _rule_matches(rule: JsonObject, resource: ResourceType, attributes: Attributes) -> bool:
    scope, names = rule.get("scope", "*"), rule.get("resourceNames")
    return (
        _has(rule.get("operations"), attributes.operation)
        and _has(rule.get("apiGroups"), resource.group)
        and _has(rule.get("apiVersions"), resource.version)
        and scope in ("*", "Namespaced" if resource.namespaced else "Cluster")
        and any(_names(entry, resource.plural, attributes.subresource) for entry in rule.get("resources") or ())
        and (not names or attributes.name in names)
    )


def _has(allowed: Any, value: str) -> bool:
    return bool(allowed) and ("*" in allowed or value in allowed)


def _names(entry: str, plural: str, subresource: str) -> bool:
    resource, slash, sub = entry.partition("/")
    if not slash:
        return entry in ("*", plural) and not subresource
    return resource in ("*", plural) and (sub == "*" or sub == subresource)


def is_selected(selectors: JsonObject, attributes: Attributes, storage: Storage) -> bool:
    """By `namespaceSelector` and `objectSelector`."""
    namespaces = selector_from_struct(selectors.get("namespaceSelector") or {})
    if namespaces is not None and namespaces.requirements:
        labels = _namespace_labels(attributes, storage)
        if labels is not None and not namespaces.matches_labels(labels):
            return False
    objects = selector_from_struct(selectors.get("objectSelector") or {})
    if objects is None or not objects.requirements:
        return True
    return any(obj is not None and objects.matches(obj) for obj in (attributes.new, attributes.old))


def _namespace_labels(attributes: Attributes, storage: Storage) -> dict[str, str] | None:
    """Labels of the namespace a write happens in; None for cluster-scoped objects, which no selector keeps out."""
    if attributes.bucket == "/namespaces":
        obj = attributes.new or attributes.old or {}
    elif attributes.namespace:
        stored = storage.get("/namespaces", "", attributes.namespace)
        obj = stored.object if stored else {}
    else:
        return None
    return (obj.get("metadata") or {}).get("labels") or {}
