"""Asks the policies that concern a request, and refuses it or warns as their bindings say."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission import reviews
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.admission.matching import is_selected, version_in_rules
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.policies.evaluation import Denial
from crossfade_local.apiserver.policies.index import BINDINGS, POLICIES, BoundPolicy, PolicyIndex
from crossfade_local.apiserver.policies.parameters import ConfigurationError, parameter_type, parameters
from crossfade_local.apiserver.security.rbac import Authorizer
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry, ResourceType
from crossfade_local.apiserver.wire.status import StatusError, forbidden
from crossfade_local.values.fields import mapping, objects, sequence, text

_NAMESPACES: Final = "/namespaces"
_REVIEWS: Final = frozenset({"authentication.k8s.io", "authorization.k8s.io"})
_CODES: Final = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}
_HIDDEN: Final = ("managedFields", "ownerReferences", "selfLink")


@dataclass
class _Asked:
    """One request, seen by one policy after the other."""

    attributes: Attributes
    namespace: JsonObject | None
    refused: list[tuple[str, str]] = field(default_factory=list)
    """What is said, and the reason."""

    def refuse(self, policy: str, binding: str, message: str, reason: str = "") -> None:
        by = f" with binding '{binding}'" if binding else ""
        said = f"ValidatingAdmissionPolicy '{policy}'{by} denied request: {message}"
        self.refused.append((said, reason or "Invalid"))

    def warn(self, policy: str, binding: str, message: str) -> None:
        said = f"Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding}': {message}"
        self.attributes.call.warn(said)


class PolicyEnforcement:
    def __init__(self, storage: Storage, registry: Registry, rules: Rules, authorizer: Authorizer) -> None:
        self._storage: Final = storage
        self._registry: Final = registry
        self._rules: Final = rules
        self._authorizer: Final = authorizer
        self._index: Final = PolicyIndex(storage)

    async def validate(self, attributes: Attributes) -> None:
        """All policies are asked, and warn; the first denial counts. Raises StatusError."""
        if attributes.bucket in (POLICIES, BINDINGS) or attributes.resource.group in _REVIEWS:
            return
        versions = self._registry.all_of(attributes.bucket) or (attributes.resource,)
        found = self._index.about((version.group, version.plural) for version in versions)
        if not found:
            return
        asked = _Asked(attributes, self._namespace(attributes))
        for bound in found:
            await self._ask(asked, bound)
            # Others get a turn between two of many.
            await asyncio.sleep(0)
        if asked.refused:
            raise _denial(attributes, *asked.refused[0])

    def _namespace(self, attributes: Attributes) -> JsonObject | None:
        """As expressions see it: of the rest of its metadata they know nothing."""
        stored = self._storage.get(_NAMESPACES, "", attributes.namespace) if attributes.namespace else None
        if stored is None:
            return None
        kept = {name: value for name, value in stored.object["metadata"].items() if name not in _HIDDEN}
        return {"metadata": kept, "spec": stored.object.get("spec", {}), "status": stored.object.get("status", {})}

    async def _ask(self, asked: _Asked, bound: BoundPolicy) -> None:
        name, spec = bound.policy["metadata"]["name"], mapping(bound.policy, "spec")
        resource = self._matched(mapping(spec, "matchConstraints"), asked.attributes)
        if resource is None:
            return
        is_strict = text(spec, "failurePolicy") != "Ignore"
        try:
            kind = parameter_type(spec, self._registry)
        except ConfigurationError as error:
            if is_strict:
                asked.refuse(name, "", f"failed to configure policy: {error}")
            return
        request = reviews.request_for(asked.attributes, resource)
        shown = reviews.shown_to_expressions(request, asked.namespace)
        for binding in bound.bindings:
            try:
                for given in self._given(binding, kind, asked.attributes):
                    found = await self._rules.denials(spec, {**shown, "params": given}, self._authorizer.decide)
                    _carry_out(asked, name, binding, found)
            except ConfigurationError as error:
                if is_strict:
                    asked.refuse(name, binding["metadata"]["name"], f"failed to configure binding: {error}")

    def _given(
        self, binding: JsonObject, kind: ResourceType | None, attributes: Attributes
    ) -> Iterator[JsonObject | None]:
        """The parameters with which a binding has its policy asked. Raises ConfigurationError."""
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


def _carry_out(asked: _Asked, policy: str, binding: JsonObject, found: list[Denial]) -> None:
    """Nothing is audited: there is no audit log."""
    name, actions = binding["metadata"]["name"], sequence(binding, "spec", "validationActions")
    for denial in found:
        if denial.is_of_annotation or "Deny" in actions:
            asked.refuse(policy, name, denial.message, denial.reason)
        elif "Warn" in actions:
            asked.warn(policy, name, denial.message)


def _denial(attributes: Attributes, said: str, reason: str) -> StatusError:
    error = forbidden(attributes.resource.plural, attributes.resource.group, attributes.name, said)
    error.code, error.reason = _CODES.get(reason, _CODES["Invalid"]), reason
    error.details = {**(error.details or {}), "causes": [{"message": said}]}
    return error
