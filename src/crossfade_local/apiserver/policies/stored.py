"""Checks of a policy before it is stored, which need the compiler of CEL."""

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.validation.admission_policies import validate_policy
from crossfade_local.apiserver.validation.errors import FieldError
from crossfade_local.values.fields import at


async def policy_errors(rules: Rules, new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    """In Kubernetes' order. Match conditions that are as they were are not looked at again."""
    faults = {fault.field: fault for fault in await rules.policy_faults(new.get("spec") or {})}
    with_conditions = old is None or any(
        at(new, "spec", name) != at(old, "spec", name) for name in ("matchConditions", "paramKind")
    )
    return list(validate_policy(new, faults, with_conditions=with_conditions))
