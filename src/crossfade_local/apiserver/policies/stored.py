"""Checks of a policy before it is stored, which need the compiler of CEL."""

from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.policies.index import MUTATING, POLICIES
from crossfade_local.apiserver.validation.admission_policies import validate_mutating, validate_validating
from crossfade_local.apiserver.validation.errors import FieldError
from crossfade_local.values.fields import at

_CHECKS: Final = {POLICIES: validate_validating, MUTATING: validate_mutating}


async def policy_errors(rules: Rules, bucket: str, new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    """In Kubernetes' order. Match conditions that are as they were are not looked at again."""
    faults = {fault.field: fault for fault in await rules.policy_faults(new.get("spec") or {})}
    with_conditions = old is None or any(
        at(new, "spec", name) != at(old, "spec", name) for name in ("matchConditions", "paramKind")
    )
    return list(_CHECKS[bucket](new, faults, with_conditions=with_conditions))
