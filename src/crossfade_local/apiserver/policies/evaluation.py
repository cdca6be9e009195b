"""What a policy decides on one request with one parameter. Pure: also done by a process that may be ended."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd import conditions
from crossfade_local.apiserver.crd.admission_cel import Evaluation, EvaluationError
from crossfade_local.apiserver.crd.compilation import BrokenRuleError
from crossfade_local.apiserver.policies.compilation import expressions_of
from crossfade_local.values.fields import objects, text

if TYPE_CHECKING:
    from crossfade_local.apiserver.crd.cel_library.authorization import Decide

_LONGEST_MESSAGE: Final = 5 * 1024
"""Bytes."""


class Denial(NamedTuple):
    """Of one validation. `reason` is empty where an error came in place of a decision."""

    message: str
    reason: str = ""
    is_of_annotation: bool = False
    """Then it counts whatever the binding's actions are."""


def denials(spec: JsonObject, shown: JsonObject, decide: "Decide") -> list[Denial]:
    """None where the policy's match conditions keep the request out."""
    evaluation = Evaluation(expressions_of(spec).values(), shown, decide, declared=objects(spec, "variables"))
    is_strict = text(spec, "failurePolicy") != "Ignore"
    if wanted := [text(one, "expression") for one in objects(spec, "matchConditions")]:
        # The namespace is not shown to conditions.
        without = Evaluation(wanted, {**shown, "namespaceObject": None}, decide)
        errors = conditions.errors(wanted, without)
        if errors is None or (errors and not is_strict):
            return []
        if errors:
            return [Denial(conditions.together(errors))]
    found = (*_of_validations(spec, evaluation), *_of_annotations(spec, evaluation))
    return [one for one in found if one.reason or is_strict]


def _of_validations(spec: JsonObject, evaluation: Evaluation) -> Iterator[Denial]:
    for validation in objects(spec, "validations"):
        expression = text(validation, "expression")
        try:
            holds = _value(expression, evaluation)
        except EvaluationError as error:
            yield Denial(str(error))
            continue
        if holds is not True:
            yield Denial(_message(validation, evaluation), text(validation, "reason") or "Invalid")


def _value(expression: str, evaluation: Evaluation) -> Any:
    """Raises EvaluationError with the whole of what is said."""
    try:
        return evaluation.value(expression)
    except BrokenRuleError as error:
        raise EvaluationError(f"compilation error: compilation failed: {error}") from None
    except EvaluationError as error:
        raise EvaluationError(f"expression '{expression}' resulted in error: {error}") from None


def _message(validation: JsonObject, evaluation: Evaluation) -> str:
    if expression := text(validation, "messageExpression"):
        try:
            found = evaluation.value(expression)
        except (EvaluationError, BrokenRuleError):
            found = None
        if isinstance(found, str) and _is_usable(found.strip()):
            return found.strip()
    return text(validation, "message").strip() or f"failed expression: {text(validation, 'expression').strip()}"


def _is_usable(message: str) -> bool:
    return bool(message) and len(message.encode()) <= _LONGEST_MESSAGE and "\n" not in message


def _of_annotations(spec: JsonObject, evaluation: Evaluation) -> Iterator[Denial]:
    """Nothing is audited here: what the annotations say goes nowhere, but one that fails refuses the request."""
    for annotation in objects(spec, "auditAnnotations"):
        try:
            _value(text(annotation, "valueExpression"), evaluation)
        except EvaluationError as error:
            yield Denial(str(error), is_of_annotation=True)
