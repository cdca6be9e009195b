"""Conditions in CEL of webhooks and policies (`matchConditions`)."""

from collections.abc import Mapping
from typing import Final

from crossfade_local.apiserver.crd.admission_cel import Evaluation, EvaluationError, FaultyError, type_of
from crossfade_local.apiserver.crd.cel_types.request import AUTHORIZER, VARIABLES
from crossfade_local.apiserver.crd.cel_types.types import BOOL, Type
from crossfade_local.apiserver.crd.compilation import BrokenRuleError

_OF_WEBHOOKS: Final[Mapping[str, Type]] = {**VARIABLES, **AUTHORIZER}


def compile_error(expression: str) -> str:
    """Why a condition of a webhook can't be stored; empty if it can."""
    try:
        type_of(expression, _OF_WEBHOOKS, (BOOL,))
    except FaultyError as error:
        return str(error)
    return ""


def errors(expressions: list[str], evaluation: Evaluation) -> list[str] | None:
    """Of those that cannot be evaluated; None if one is false, whatever the others are."""
    found = []
    for expression in expressions:
        try:
            holds = evaluation.value(expression)
        except BrokenRuleError as error:
            found.append(f"compilation error: compilation failed: {error}")
        except EvaluationError as error:
            found.append(f"expression '{expression}' resulted in error: {error}")
        else:
            if holds is False:
                return None
            if holds is not True:
                found.append(f"expression '{expression}' resulted in error: must evaluate to bool")
    return list(dict.fromkeys(found))


def together(errors_: list[str]) -> str:
    """As Kubernetes writes several errors as one."""
    return errors_[0] if len(errors_) == 1 else f"[{', '.join(errors_)}]"
