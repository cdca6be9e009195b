"""What one mutation of a policy makes of a request: a patch in JSON. Pure: also done by a process that may be ended."""

from typing import TYPE_CHECKING, Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.admission_cel import Evaluation, EvaluationError
from crossfade_local.apiserver.crd.compilation import BrokenRuleError
from crossfade_local.apiserver.policies.compilation import expressions_of
from crossfade_local.apiserver.policies.patch_values import MESSAGE_TYPE, NoJsonError, applied_value, patch_value
from crossfade_local.values.fields import objects, text

if TYPE_CHECKING:
    from crossfade_local.apiserver.crd.cel_library.authorization import Decide

KINDS: Final = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
"""The field of a mutation, by its `patchType`."""


class MutationError(Exception):
    """The text is Kubernetes'."""


def patch_of(spec: JsonObject, index: int, shown: JsonObject, decide: "Decide") -> Any:
    """An object to apply, or a list of operations. Raises MutationError."""
    mutation = objects(spec, "mutations")[index]
    kind = text(mutation, "patchType")
    expression = text(mutation, KINDS[kind], "expression")
    evaluation = Evaluation(expressions_of(spec).values(), shown, decide, declared=objects(spec, "variables"))
    try:
        found = evaluation.value(expression)
    except BrokenRuleError as error:
        raise MutationError(f"compilation failed: {error}") from None
    except EvaluationError as error:
        raise MutationError(f"expression '{expression}' resulted in error: {error}") from None
    if kind == "JSONPatch":
        return [_operation(one) for one in found]
    _check_types(found)
    try:
        return applied_value(found)
    except NoJsonError as error:
        raise MutationError(f"error applying patch: failed to convert patch object to typed object: {error}") from None


def _operation(found: JsonObject) -> JsonObject:
    operation = {"op": found.get("op", ""), "path": found.get("path", "")}
    if found.get("from"):
        operation["from"] = found["from"]
    if "value" in found:
        _check_types(found["value"])
        try:
            operation["value"] = patch_value(found["value"])
        except NoJsonError as error:
            said = f"JSONPath valueExpression evaluated to a type that could not marshal to JSON: {error}"
            raise MutationError(said) from None
    return operation


def _check_types(value: Any) -> None:
    """A message in a field has the type that the names of the fields say. Raises MutationError."""
    if not isinstance(value, dict) or MESSAGE_TYPE not in value:
        return
    wrong = [
        f'unexpected type name "{found}", expected "{wanted}", which matches field name path from root Object type'
        for found, wanted in _types(value, value[MESSAGE_TYPE])
        if found != wanted
    ]
    if wrong:
        raise MutationError("type mismatch: " + "\n".join(wrong))


def _types(value: Any, wanted: str) -> list[tuple[str, str]]:
    """Of each message its type, and the one that it must have."""
    match value:
        case list():
            return [pair for item in value for pair in _types(item, wanted)]
        case dict() if MESSAGE_TYPE in value:
            inner = [
                pair for key, part in value.items() if key != MESSAGE_TYPE for pair in _types(part, f"{wanted}.{key}")
            ]
            return [(value[MESSAGE_TYPE], wanted), *inner]
        case dict():
            return [pair for part in value.values() for pair in _types(part, wanted)]
    return []
