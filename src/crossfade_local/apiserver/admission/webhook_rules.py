"""Which webhooks want to see a write: rules, selectors and match conditions, in the order of their calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.state.selectors import selector_from_struct
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry, ResourceType

MUTATING: Final = "admissionregistration.k8s.io/mutatingwebhookconfigurations"
VALIDATING: Final = "admissionregistration.k8s.io/validatingwebhookconfigurations"
_NEVER: Final = frozenset({"authentication.k8s.io", "authorization.k8s.io"})


@dataclass(frozen=True)
class Interested:
    """A webhook that is to be called, and the version of the resource in which it wants the objects."""

    configuration: str
    webhook: JsonObject
    resource: ResourceType

    @property
    def name(self) -> str:
        return str(self.webhook["name"])

    @property
    def ignores_failure(self) -> bool:
        return bool(self.webhook.get("failurePolicy") == "Ignore")


def interested(bucket: str, attributes: Attributes, storage: Storage, registry: Registry) -> Iterator[Interested]:
    """Webhooks of one of the two kinds of configuration, sorted by the configuration's name."""
    if attributes.bucket in (MUTATING, VALIDATING) or attributes.resource.group in _NEVER:
        return
    for stored in storage.scan(bucket):
        for webhook in stored.object.get("webhooks") or ():
            resource = _wanted_version(webhook, attributes, registry)
            if resource is not None and _selects(webhook, attributes, storage):
                yield Interested(stored.key[1], webhook, resource)


def _wanted_version(webhook: JsonObject, attributes: Attributes, registry: Registry) -> ResourceType | None:
    rules = webhook.get("rules") or ()
    own = attributes.resource
    if any(_rule_matches(rule, own, attributes) for rule in rules):
        return own
    if webhook.get("matchPolicy", "Equivalent") != "Equivalent":
        return None
    others = (other for other in registry.all_of(own.bucket) if other is not own)
    return next((other for other in others if any(_rule_matches(rule, other, attributes) for rule in rules)), None)


def _rule_matches(rule: JsonObject, resource: ResourceType, attributes: Attributes) -> bool:
    scope = rule.get("scope", "*")
    return (
        _has(rule.get("operations"), attributes.operation)
        and _has(rule.get("apiGroups"), resource.group)
        and _has(rule.get("apiVersions"), resource.version)
        and scope in ("*", "Namespaced" if resource.namespaced else "Cluster")
        and any(_names(entry, resource.plural, attributes.subresource) for entry in rule.get("resources") or ())
    )


def _has(allowed: Any, value: str) -> bool:
    return bool(allowed) and ("*" in allowed or value in allowed)


def _names(entry: str, plural: str, subresource: str) -> bool:
    resource, slash, sub = entry.partition("/")
    if not slash:
        return entry in ("*", plural) and not subresource
    return resource in ("*", plural) and (sub == "*" or sub == subresource)


def _selects(webhook: JsonObject, attributes: Attributes, storage: Storage) -> bool:
    namespaces = selector_from_struct(webhook.get("namespaceSelector") or {})
    if namespaces is not None and namespaces.requirements:
        labels = _namespace_labels(attributes, storage)
        if labels is not None and not namespaces.matches_labels(labels):
            return False
    objects = selector_from_struct(webhook.get("objectSelector") or {})
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
