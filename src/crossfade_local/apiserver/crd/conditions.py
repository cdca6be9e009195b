"""Conditions in CEL of webhooks (`matchConditions`)."""

from functools import lru_cache
from typing import Any, Final

from crossfade_local.apiserver.cel_engine import engine
from crossfade_local.apiserver.crd import cel
from crossfade_local.apiserver.crd.cel_types.request import VARIABLES
from crossfade_local.apiserver.crd.cel_types.types import BOOL, DURATION, NULL, TIMESTAMP, Type
from crossfade_local.apiserver.crd.compilation import BrokenRuleError, checked, compiled

_NO_BOOL: Final = "must evaluate to bool"
_LACKING: Final = {
    "authorizer": "the embedded API server has none for conditions; compare request.userInfo, or let the webhook"
    " ask by a SubjectAccessReview",
}
_FULL_NAMES: Final = {
    NULL: "null_type",
    DURATION: "google.protobuf.Duration",
    TIMESTAMP: "google.protobuf.Timestamp",
}


def compile_error(expression: str) -> str:
    """Why a condition can't be stored; empty if it can."""
    try:
        kind = _type_of(expression)
    except BrokenRuleError as error:
        return f"compilation failed: {error}"
    return "" if kind == BOOL else f"{_NO_BOOL} but got {_FULL_NAMES.get(kind, kind)}"


@lru_cache(maxsize=2000)
def _type_of(expression: str) -> Type:
    """Raises BrokenRuleError."""
    return checked(expression, VARIABLES, _LACKING).type


def errors(expressions: list[str], variables: dict[str, Any]) -> list[str] | None:
    """Of those that cannot be evaluated; None if one is false, whatever the others are."""
    found = []
    for expression in expressions:
        try:
            _type_of(expression)
            program, functions = compiled(expression)
        except BrokenRuleError as error:
            found.append(f"compilation error: compilation failed: {error}")
            continue
        try:
            # Anew for each: few webhooks have several.
            holds = program.execute(engine().Context(variables, functions))
        except Exception as error:  # the engine raises plain exceptions of several kinds
            found.append(f"expression '{expression}' resulted in error: {cel.said(error)}")
            continue
        if holds is False:
            return None
        if holds is not True:
            found.append(f"expression '{expression}' resulted in error: {_NO_BOOL}")
    return list(dict.fromkeys(found))
