"""Asks the validating policies that concern a request, and refuses it or warns as their bindings say."""

import asyncio
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.admission.attributes import Attributes
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.policies.evaluation import Denial
from crossfade_local.apiserver.policies.index import BINDINGS, POLICIES, PolicyIndex
from crossfade_local.apiserver.policies.selection import Misconfigured, Selection, is_strict
from crossfade_local.apiserver.security.rbac import Authorizer
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.apiserver.types.registry import Registry
from crossfade_local.apiserver.wire.status import forbidden
from crossfade_local.values.fields import sequence

_CODES: Final = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}


class _Verdict:
    """Of one policy after the other."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes: Final = attributes
        self._refused: tuple[str, str] | None = None
        """What is said first, and the reason."""

    def refuse(self, policy: JsonObject, binding: JsonObject | None, message: str, reason: str = "") -> None:
        by = f" with binding '{_name(binding)}'" if binding is not None else ""
        said = f"ValidatingAdmissionPolicy '{_name(policy)}'{by} denied request: {message}"
        self._refused = self._refused or (said, reason or "Invalid")

    def take(self, policy: JsonObject, binding: JsonObject, denials: list[Denial]) -> None:
        """Nothing is audited: there is no audit log."""
        actions = sequence(binding, "spec", "validationActions")
        for denial in denials:
            if denial.is_of_annotation or "Deny" in actions:
                self.refuse(policy, binding, denial.message, denial.reason)
            elif "Warn" in actions:
                named = f"ValidatingAdmissionPolicy '{_name(policy)}' with binding '{_name(binding)}'"
                self._attributes.call.warn(f"Validation failed for {named}: {denial.message}")

    def carry_out(self) -> None:
        """Raises StatusError."""
        if self._refused is None:
            return
        said, reason = self._refused
        resource = self._attributes.resource
        error = forbidden(resource.plural, resource.group, self._attributes.name, said)
        error.code, error.reason = _CODES.get(reason, _CODES["Invalid"]), reason
        error.details = {**(error.details or {}), "causes": [{"message": said}]}
        raise error


class PolicyEnforcement:
    def __init__(self, storage: Storage, registry: Registry, rules: Rules, authorizer: Authorizer) -> None:
        self._rules: Final = rules
        self._authorizer: Final = authorizer
        self._selection: Final = Selection(storage, registry, PolicyIndex(storage, POLICIES, BINDINGS))

    async def validate(self, attributes: Attributes) -> None:
        """All policies are asked, and warn; the first denial counts. Raises StatusError."""
        verdict = _Verdict(attributes)
        for one in self._selection.of(attributes):
            if not isinstance(one, Misconfigured):
                shown = self._selection.shown(attributes, one)
                found = await self._rules.denials(one.spec, shown, self._authorizer.decide)
                verdict.take(one.policy, one.binding, found)
                # Others get a turn between two of many.
                await asyncio.sleep(0)
            elif is_strict(one.policy):
                verdict.refuse(one.policy, one.binding, one.message)
        verdict.carry_out()


def _name(obj: JsonObject) -> str:
    return str(obj["metadata"]["name"])
