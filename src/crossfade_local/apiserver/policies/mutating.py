"""Lets the mutating policies that concern a request change its object."""

import asyncio
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission import reviews
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.admission.chain import Again
from crossfade_local.apiserver.crd import conditions
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.policies.index import MUTATING, MUTATING_BINDINGS, PolicyIndex
from crossfade_local.apiserver.policies.mutations import MutationError
from crossfade_local.apiserver.policies.patching import patched
from crossfade_local.apiserver.policies.selection import Invocation, Misconfigured, Selection, is_strict
from crossfade_local.apiserver.security.rbac import Authorizer
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry
from crossfade_local.apiserver.wire.status import StatusError, forbidden, internal
from crossfade_local.apiserver.writing import objects
from crossfade_local.values.fields import objects as objects_in
from crossfade_local.values.fields import text

_Key = tuple[str, str, str, str]


class PolicyMutation:
    def __init__(self, storage: Storage, registry: Registry, rules: Rules, authorizer: Authorizer) -> None:
        self._registry: Final = registry
        self._rules: Final = rules
        self._authorizer: Final = authorizer
        self._selection: Final = Selection(storage, registry, PolicyIndex(storage, MUTATING, MUTATING_BINDINGS))

    async def mutate(self, attributes: Attributes) -> Again:
        """One after the other; those that ask for it see later changes once more. Raises StatusError."""
        left: dict[_Key, JsonObject | None] = {}
        """The object as each of those left it."""
        await self._pass(attributes, left, is_first=True)

        async def again() -> None:
            await self._pass(attributes, left, is_first=False)

        return again

    async def _pass(self, attributes: Attributes, left: dict[_Key, JsonObject | None], *, is_first: bool) -> None:
        if attributes.new is None or not (is_first or left):
            return
        problems: list[tuple[str, str]] = []
        for one in self._selection.of(attributes):
            if isinstance(one, Misconfigured):
                if is_strict(one.policy):
                    problems.append((_said(one.policy, one.binding, one.message), "Forbidden"))
                continue
            key = _key(one)
            if not is_first and left.get(key, attributes.new) == attributes.new:
                continue
            found = await self._invoke(attributes, one)
            if is_strict(one.policy):
                problems += [(_said(one.policy, one.binding, message), "Invalid") for message in found]
            if text(one.spec, "reinvocationPolicy") == "IfNeeded":
                left[key] = attributes.new
            # Others get a turn between two of many.
            await asyncio.sleep(0)
        if problems:
            raise _denial(attributes, problems)

    async def _invoke(self, attributes: Attributes, one: Invocation) -> list[str]:
        """What went wrong. Raises StatusError where an object of another form would come of it."""
        decide = self._authorizer.decide
        if wanted := [text(condition, "expression") for condition in objects_in(one.spec, "matchConditions")]:
            shown = {**self._selection.shown(attributes, one), "namespaceObject": None}
            errors = await self._rules.condition_errors(wanted, shown, decide)
            if errors is None or errors:
                return [conditions.together(errors)] if errors else []
        problems = []
        for index in range(len(objects_in(one.spec, "mutations"))):
            shown = self._selection.shown(attributes, one)
            try:
                self._take(attributes, one, await self._rules.patch_of(one.spec, index, shown, decide))
            except MutationError as error:
                problems.append(str(error))
        return problems

    def _take(self, attributes: Attributes, one: Invocation, patch: object) -> None:
        """Raises MutationError and StatusError."""
        served = reviews.shown(attributes, one.resource, attributes.new)
        assert served is not None
        own, types = attributes.own_kind, self._registry.types
        schema = types.schema(own) if own else one.resource.schema
        result = patched(served, patch, schema)
        try:
            known = objects.known_unstored(own, schema, result) if own else objects.known_fields(one.resource, result)
        except StatusError as error:
            raise internal(error.message) from error
        if known.unknown:
            unknown = ", ".join(f'unknown field "{path}"' for path in known.unknown)
            raise internal(f"strict decoding error: {unknown}")
        attributes.new = known.object if own else objects.with_defaults(one.resource, known.object)


def _key(one: Invocation) -> _Key:
    metadata = (one.parameter or {}).get("metadata") or {}
    named = metadata.get("namespace", ""), metadata.get("name", "")
    return one.policy["metadata"]["name"], one.binding["metadata"]["name"], *named


def _said(policy: JsonObject, binding: JsonObject | None, message: str) -> str:
    name = policy["metadata"]["name"]
    if binding is None:
        return f'policy "{name}" denied request: {message}'
    return f"policy '{name}' with binding '{binding['metadata']['name']}' denied request: {message}"


def _denial(attributes: Attributes, problems: list[tuple[str, str]]) -> StatusError:
    """Named after the first; the code is that of what is forbidden, whatever the reason."""
    error = forbidden(attributes.resource.plural, attributes.resource.group, attributes.told_name, "")
    error.message, error.reason = problems[0]
    error.details = {**(error.details or {}), "causes": [{"message": message} for message, _ in problems]}
    return error
