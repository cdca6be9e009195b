"""Validation of built-in kinds in Kubernetes' words and order."""

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.errors import ErrorType, FieldError, listed
from crossfade_local.apiserver.validation.status_error import invalid_status

__all__ = ["ErrorType", "FieldError", "invalid_status", "validate", "validate_status"]


def validate(kind_key: tuple[str, str, str], new: JsonObject, old: JsonObject | None) -> list[FieldError]:
    """Errors of an object with defaults filled in; `old` is None on create. `kind_key` is (group, version, kind).

    Unknown kinds are taken as fine: custom resources are validated by their schema.
    """
    from crossfade_local.apiserver.validation.kinds import RULES

    rules = RULES.get((kind_key[0], kind_key[2]))
    if rules is None:
        return []
    return listed(rules.create(new) if old is None else rules.update(new, old))


def validate_status(kind_key: tuple[str, str, str], new: JsonObject, old: JsonObject) -> list[FieldError]:
    """Errors of a write to the status subresource."""
    from crossfade_local.apiserver.validation.kinds import STATUS_RULES
    from crossfade_local.apiserver.validation.metadata import validate_metadata_update

    check = STATUS_RULES.get((kind_key[0], kind_key[2]), validate_metadata_update)
    return listed(check(new, old))
