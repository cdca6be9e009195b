"""What is wrong with the expressions of a policy: each is compiled with the types of the variables that it sees."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.crd.admission_cel import FaultyError, type_of
from crossfade_local.apiserver.crd.cel_types.patch_types import JSON_PATCH, OBJECT
from crossfade_local.apiserver.crd.cel_types.request import AUTHORIZER, VARIABLES
from crossfade_local.apiserver.crd.cel_types.types import (
    BOOL,
    DYN,
    NULL,
    STRING,
    Kind,
    Type,
    list_of,
    map_of,
)
from crossfade_local.apiserver.validation.admission_policies import LONGEST_VALUE_EXPRESSION
from crossfade_local.apiserver.validation.errors import FieldError
from crossfade_local.values.fields import objects, text

_SCALARS: Final = (Kind.PLAIN, Kind.NULL)
_PLACES: Final = (
    ("matchConditions", "expression"),
    ("variables", "expression"),
    ("validations", "expression"),
    ("validations", "messageExpression"),
    ("auditAnnotations", "valueExpression"),
    ("mutations", "applyConfiguration.expression"),
    ("mutations", "jsonPatch.expression"),
)
_MADE: Final = {"applyConfiguration": OBJECT, "jsonPatch": list_of(JSON_PATCH)}


def expressions_of(spec: JsonObject) -> dict[str, str]:
    """Every text that is compiled, by its field."""
    return {
        f"spec.{group}[{index}].{name}": text(one, *name.split("."))
        for group, name in _PLACES
        for index, one in enumerate(objects(spec, group))
        if text(one, *name.split("."))
    }


def faults(spec: JsonObject) -> list[FieldError]:
    """Of expressions that cannot be stored. Those that are empty, or longer than they may be, are passed over."""
    return list(_faults(spec, types_of(spec)))


def types_of(spec: JsonObject, *, objects_type: Type = DYN, params: Type = DYN) -> dict[str, Type]:
    """Of all that expressions see but the policy's own variables."""
    types = {**VARIABLES, **AUTHORIZER, "object": objects_type, "oldObject": objects_type}
    return types if spec.get("paramKind") is None else {**types, "params": params}


def _faults(spec: JsonObject, types: Mapping[str, Type]) -> Iterator[FieldError]:
    for index, condition in enumerate(objects(spec, "matchConditions")):
        expression = text(condition, "expression").strip()
        yield from _fault(f"spec.matchConditions[{index}].expression", expression, types, (BOOL,))
    known: dict[str, Type] = {}
    if spec.get("variables") or spec.get("mutations"):
        types = {**types, "variables": variables_type(known)}
    for index, variable in enumerate(objects(spec, "variables")):
        expression = text(variable, "expression")
        yield from _fault(f"spec.variables[{index}].expression", expression, types)
        if expression.strip():
            known[text(variable, "name")] = declared_type(expression, types)
    for index, validation in enumerate(objects(spec, "validations")):
        place = f"spec.validations[{index}]"
        yield from _fault(f"{place}.expression", text(validation, "expression"), types, (BOOL,))
        without = {name: types[name] for name in types.keys() - AUTHORIZER.keys()}
        yield from _fault(f"{place}.messageExpression", text(validation, "messageExpression"), without, (STRING,))
    for index, annotation in enumerate(objects(spec, "auditAnnotations")):
        expression = text(annotation, "valueExpression")
        if len(expression.strip().encode()) <= LONGEST_VALUE_EXPRESSION:
            field = f"spec.auditAnnotations[{index}].valueExpression"
            yield from _fault(field, expression.strip(), types, (STRING, NULL), shown=expression)
    for index, mutation in enumerate(objects(spec, "mutations")):
        for name, made in _MADE.items():
            expression = text(mutation, name, "expression")
            field = f"spec.mutations[{index}].{name}.expression"
            yield from _fault(field, expression, types, (made,), makes_patches=True)


def _fault(
    field: str,
    expression: str,
    types: Mapping[str, Type],
    results: Sequence[Type] = (),
    *,
    shown: str = "",
    makes_patches: bool = False,
) -> Iterator[FieldError]:
    if not expression.strip():
        return
    try:
        type_of(expression, types, results, makes_patches=makes_patches)
    except FaultyError as error:
        yield FieldError(error.kind, field, shown or expression, str(error))


def variables_type(known: Mapping[str, Type]) -> Type:
    """Of `variables`; what is added to `known` later is seen, too."""
    return Type("kubernetes.variables", Kind.OBJECT, field_named=known.get)


def declared_type(expression: str, types: Mapping[str, Type]) -> Type:
    """Of a variable: what is neither a scalar nor a list or map of such may be anything."""
    try:
        return _declared(type_of(expression, types))
    except FaultyError:
        return DYN


def _declared(kind: Type) -> Type:
    if kind.kind in _SCALARS:
        return kind
    if kind.kind is Kind.LIST:
        return list_of(_declared(kind.inside[0]))
    if kind.kind is Kind.MAP:
        return map_of(*map(_declared, kind.inside))
    return DYN
