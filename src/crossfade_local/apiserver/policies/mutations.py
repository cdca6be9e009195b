"""What one mutation of a policy makes of a request: a patch in JSON. Pure: also done by a process that may be ended."""

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.admission_cel import Evaluation, EvaluationError
from crossfade_local.apiserver.crd.compilation import BrokenRuleError
from crossfade_local.apiserver.policies.compilation import expressions_of
from crossfade_local.values.fields import objects, text

if TYPE_CHECKING:
    from crossfade_local.apiserver.crd.cel_library.authorization import Decide

KINDS: Final = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
"""The field of a mutation, by its `patchType`."""
_TYPE: Final = "\0type"


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
    return _json(found)


def _operation(found: JsonObject) -> JsonObject:
    operation = {"op": found.get("op", ""), "path": found.get("path", "")}
    if found.get("from"):
        operation["from"] = found["from"]
    if "value" in found:
        _check_types(found["value"])
        operation["value"] = _json(found["value"])
    return operation


def _check_types(value: Any) -> None:
    """A message in a field has the type that the names of the fields say. Raises MutationError."""
    if not isinstance(value, dict) or _TYPE not in value:
        return
    wrong = [
        f'unexpected type name "{found}", expected "{wanted}", which matches field name path from root Object type'
        for found, wanted in _types(value, value[_TYPE])
        if found != wanted
    ]
    if wrong:
        raise MutationError("type mismatch: " + "\n".join(wrong))


def _types(value: Any, wanted: str) -> list[tuple[str, str]]:
    """Of each message its type, and the one that it must have."""
    match value:
        case list():
            return [pair for item in value for pair in _types(item, wanted)]
        case dict() if _TYPE in value:
            inner = [pair for key, part in value.items() if key != _TYPE for pair in _types(part, f"{wanted}.{key}")]
            return [(value[_TYPE], wanted), *inner]
        case dict():
            return [pair for part in value.values() for pair in _types(part, wanted)]
    return []


def _json(value: Any) -> Any:
    """Raises MutationError."""
    from crossfade_local.apiserver.crd.cel_library.values import kind_of, text_of

    match value:
        case datetime() | timedelta():
            return text_of(value)
        case bytes():
            return base64.b64encode(value).decode()
        case list():
            return [_json(item) for item in value]
        case dict() if kind_of(value) not in ("", "type"):
            raise MutationError("JSONPath valueExpression evaluated to a type that could not marshal to JSON")
        case dict():
            return {key: _json(part) for key, part in value.items() if key != _TYPE}
        case None | bool() | int() | float() | str():
            return value
    raise MutationError("JSONPath valueExpression evaluated to a type that could not marshal to JSON")
