"""Which policies a request concerns, by which binding and with which parameter; and what they are shown of it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission import reviews
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.admission.matching import is_selected, version_in_rules
from crossfade_local.apiserver.policies.index import (
    BINDINGS,
    MUTATING,
    MUTATING_BINDINGS,
    POLICIES,
    BoundPolicy,
    PolicyIndex,
)
from crossfade_local.apiserver.policies.parameters import ConfigurationError, parameter_type, parameters
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry, ResourceType
from crossfade_local.values.fields import mapping, objects, text

_NAMESPACES: Final = "/namespaces"
_EXEMPT: Final = frozenset({POLICIES, BINDINGS, MUTATING, MUTATING_BINDINGS})
_REVIEWS: Final = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
_HIDDEN: Final = ("managedFields", "ownerReferences", "selfLink")


class Invocation(NamedTuple):
    """One question to one policy."""

    policy: JsonObject
    binding: JsonObject
    resource: ResourceType
    """The version of the request's resource that the policy names."""
    parameter: JsonObject | None

    @property
    def spec(self) -> JsonObject:
        return mapping(self.policy, "spec")


class Misconfigured(NamedTuple):
    """A policy that concerns the request and cannot be asked, or not with this binding."""

    policy: JsonObject
    binding: JsonObject | None
    message: str


class Selection:
    def __init__(self, storage: Storage, registry: Registry, index: PolicyIndex) -> None:
        self._storage: Final = storage
        self._registry: Final = registry
        self._index: Final = index

    def of(self, attributes: Attributes) -> Iterator[Invocation | Misconfigured]:
        """In the order of the names of policies and bindings."""
        if attributes.bucket in _EXEMPT or attributes.resource.group in _REVIEWS:
            return
        versions = self._registry.all_of(attributes.bucket) or (attributes.resource,)
        for bound in self._index.about((version.group, version.plural) for version in versions):
            yield from self._of_policy(bound, attributes)

    def _of_policy(self, bound: BoundPolicy, attributes: Attributes) -> Iterator[Invocation | Misconfigured]:
        spec = mapping(bound.policy, "spec")
        resource = self._matched(mapping(spec, "matchConstraints"), attributes)
        if resource is None:
            return
        try:
            kind = parameter_type(spec, self._registry)
        except ConfigurationError as error:
            yield Misconfigured(bound.policy, None, f"failed to configure policy: {error}")
            return
        for binding in bound.bindings:
            try:
                for parameter in self._parameters(binding, kind, attributes):
                    yield Invocation(bound.policy, binding, resource, parameter)
            except ConfigurationError as error:
                yield Misconfigured(bound.policy, binding, f"failed to configure binding: {error}")

    def _parameters(
        self, binding: JsonObject, kind: ResourceType | None, attributes: Attributes
    ) -> Iterator[JsonObject | None]:
        """With which a binding has its policy asked. Raises ConfigurationError."""
        spec = mapping(binding, "spec")
        resources = spec.get("matchResources")
        if resources is not None and self._matched(resources, attributes) is None:
            return
        namespace = attributes.name if attributes.bucket == _NAMESPACES else attributes.namespace
        yield from parameters(kind, spec.get("paramRef"), namespace, self._storage)

    def _matched(self, resources: JsonObject, attributes: Attributes) -> ResourceType | None:
        """The version in which a policy or binding wants the request; None if it does not want it."""
        policy = text(resources, "matchPolicy")
        excluded, rules = objects(resources, "excludeResourceRules"), objects(resources, "resourceRules")
        if not is_selected(resources, attributes, self._storage):
            return None
        if version_in_rules(excluded, attributes, self._registry, match_policy=policy) is not None:
            return None
        if not rules:
            return attributes.resource
        return version_in_rules(rules, attributes, self._registry, match_policy=policy)

    def shown(self, attributes: Attributes, asked: Invocation) -> JsonObject:
        """The variables of the policy's expressions."""
        request = reviews.request_for(attributes, asked.resource)
        shown = reviews.shown_to_expressions(request, self._namespace(attributes))
        return {**shown, "params": asked.parameter}

    def _namespace(self, attributes: Attributes) -> JsonObject | None:
        """Expressions know nothing of the rest of its metadata."""
        stored = self._storage.get(_NAMESPACES, "", attributes.namespace) if attributes.namespace else None
        if stored is None:
            return None
        kept = {name: value for name, value in stored.object["metadata"].items() if name not in _HIDDEN}
        return {"metadata": kept, "spec": stored.object.get("spec", {}), "status": stored.object.get("status", {})}


def is_strict(policy: JsonObject) -> bool:
    """Whether what goes wrong refuses the request."""
    return text(policy, "spec", "failurePolicy") != "Ignore"
