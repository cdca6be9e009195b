"""Custom resources: pruning, defaulting, and faults in the words of Kubernetes."""

from typing import Any

import pytest

from crossfade_local.apiserver.api import utc_now
from crossfade_local.apiserver.crd import cel, custom_resources
from crossfade_local.apiserver.crd.definition_rules import definition_errors
from crossfade_local.apiserver.crd.lifecycle import conflict_of, fill_names, initial_status, served_types
from crossfade_local.apiserver.crd.rules import Rules, error_of
from crossfade_local.apiserver.crd.validator import value_errors
from crossfade_local.apiserver.defaults import apply_defaults
from crossfade_local.apiserver.types.registry import BuiltinTypes, Registry
from crossfade_local.apiserver.validation import validate
from crossfade_local.apiserver.validation.errors import FieldError

Json = dict[str, Any]
DEFINITION = ("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
TEXT = {"type": "string"}
FAULTS: list[tuple[Json, Any, list[str]]] = [
    ({"type": "integer"}, "3", ['x: Invalid value: "string": x in body must be of type integer: "string"']),
    ({"type": "integer"}, 3.0, []),
    ({"type": "boolean"}, 1, ['x: Invalid value: "integer": x in body must be of type boolean: "integer"']),
    ({"type": "string"}, None, ['x: Invalid value: "null": x in body must be of type string: "null"']),
    ({"type": "string", "nullable": True}, None, []),
    ({"x-kubernetes-int-or-string": True}, "80%", []),
    (
        {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
        1,
        ["x: Invalid value: 1: x in body should be greater than 1"],
    ),
    ({"type": "string", "maxLength": 2}, "abc", ["x: Too long: may not be more than 2 bytes"]),
    ({"type": "string", "minLength": 2}, "a", ['x: Invalid value: "a": x in body should be at least 2 chars long']),
    ({"type": "string", "pattern": "^a$"}, "a\n", ["x: Invalid value: \"a\\n\": x in body should match '^a$'"]),
    ({"type": "string", "enum": ["a", "b"]}, "c", ['x: Unsupported value: "c": supported values: "a", "b"']),
    (
        {"type": "array", "items": TEXT, "minItems": 1},
        [],
        ["x: Invalid value: 0: x in body should have at least 1 items"],
    ),
    (
        {"type": "array", "items": TEXT},
        ["a", 1],
        ['x[1]: Invalid value: "integer": x[1] in body must be of type string: "integer"'],
    ),
    (
        {"type": "object", "additionalProperties": TEXT},
        {"a": 1},
        ['x.a: Invalid value: "integer": x.a in body must be of type string: "integer"'],
    ),
    ({"type": "object", "required": ["a"], "properties": {"a": TEXT}}, {}, ["x.a: Required value"]),
    (
        {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        ["a", "b", "a", "a"],
        ['x[2]: Duplicate value: "a"'],
    ),
    (
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}], "properties": {"a": TEXT, "b": TEXT}},
        {"a": "1", "b": "2"},
        ['x: Invalid value: "": "x" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ),
    (
        {"type": "string", "format": "date-time"},
        "today",
        ['x: Invalid value: "today": x in body must be of type date-time: "today"'],
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected"), FAULTS)
def test_fault_is_named(schema: Json, value: Any, expected: list[str]) -> None:
    assert [str(error) for error in value_errors(schema, value, "x")] == expected


RULES: list[tuple[Json, Any, Any, list[str]]] = [
    ({"rule": "self.a < self.b", "message": "a first"}, {"a": 2, "b": 1}, None, ["x: Invalid value: a first"]),
    ({"rule": "self.a < self.b"}, {"a": 2, "b": 1}, None, ["x: Invalid value: failed rule: self.a < self.b"]),
    ({"rule": "self == oldSelf"}, 2, None, []),
    ({"rule": "self >= oldSelf", "message": "only grows"}, 1, 2, ["x: Invalid value: 1: only grows"]),
    ({"rule": "self > 0", "messageExpression": "'got ' + string(self)"}, -1, None, ["x: Invalid value: -1: got -1"]),
    (
        {"rule": "oldSelf.optMap(it, it < self).orValue(true)", "optionalOldSelf": True, "message": "only grows"},
        *(1, 2, ["x: Invalid value: 1: only grows"]),
    ),
    ({"rule": "oldSelf.optMap(it, it < self).orValue(true)", "optionalOldSelf": True}, 1, None, []),
    ({"rule": "self.my__dash__size > 1 && has(self.__namespace__)"}, {"my-size": 2, "namespace": "a"}, None, []),
    (
        {"rule": "quantity(self).isLessThan(quantity('1Gi'))", "message": "too large"},
        *("2Gi", None, ['x: Invalid value: "2Gi": too large']),
    ),
    (
        {"rule": "self.min() > 0"},
        *([], None, ["x: Invalid value: rule evaluation error: min called on empty list: self.min() > 0"]),
    ),
    ({"rule": "self > 0", "reason": "FieldValueForbidden", "message": "no"}, -1, None, ["x: Forbidden: no"]),
]


@pytest.mark.parametrize(("rule", "new", "old", "expected"), RULES)
def test_rules_in_cel(rule: Json, new: Any, old: Any, expected: list[str]) -> None:
    found = cel.violations({"x-kubernetes-validations": [rule]}, new, old, "x")
    assert [str(error_of(one)) for one in found] == expected


def test_a_rule_that_makes_much_of_little_is_not_light() -> None:
    heavy = ["self.replace('a', self)", "self.split('')", "lists.range(9999)", "[1].sortBy (x, x)"]
    light = ["self.startsWith('all')", "ip(self).family() == 4", "quantity(self).isInteger()"]
    assert [cel.iterates(rule) for rule in heavy + light] == [True] * len(heavy) + [False] * len(light)


def _definition(schema: Json, **names: Any) -> Json:
    crd: Json = {
        "metadata": {"name": "things.example.com", "resourceVersion": "1"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things", **names},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }
    fill_names(crd)
    return crd


async def _errors(crd: Json) -> list[FieldError]:
    complete = apply_defaults(DEFINITION, crd)
    return await definition_errors(Rules(), complete, found=validate(DEFINITION, complete, None), size=0)


@pytest.fixture(scope="module")
def types() -> BuiltinTypes:
    return BuiltinTypes.load()


def test_unknown_fields_fall_away_and_defaults_come_in(types: BuiltinTypes) -> None:
    registry = Registry(types)
    spec = {
        "type": "object",
        "default": {},
        "properties": {
            "size": {"type": "integer", "default": 3},
            "free": {"x-kubernetes-preserve-unknown-fields": True},
        },
    }
    crd = _definition({"type": "object", "properties": {"spec": spec}})
    crd["status"] = initial_status(crd, registry, utc_now())
    (resource,) = served_types(crd, registry)
    obj = {"kind": "Thing", "metadata": {"name": "a", "colour": "red"}, "spec": {"b": 1, "free": {"c": 2}}, "d": 3}
    pruned = custom_resources.prune(resource, obj)
    assert pruned.unknown == ["d", "metadata.colour", "spec.b"]
    assert pruned.object == {"kind": "Thing", "metadata": {"name": "a"}, "spec": {"free": {"c": 2}}}
    assert custom_resources.with_defaults(resource, {"kind": "Thing"})["spec"] == {"size": 3}


def test_taken_names_are_not_accepted(types: BuiltinTypes) -> None:
    registry = Registry(types)
    first = _definition({"type": "object"}, shortNames=["t"])
    first["status"] = initial_status(first, registry, utc_now())
    registry.set_custom("things.example.com", served_types(first, registry))
    second = _definition({"type": "object"}, kind="Thong", plural="thongs", shortNames=["t"])
    second["metadata"]["name"] = "thongs.example.com"
    assert conflict_of(second, registry) == ("ShortNamesConflict", '"t" is already in use')
    second["status"] = initial_status(second, registry, utc_now())
    assert served_types(second, registry) == []


async def test_definition_with_a_broken_rule_pattern_default_or_conversion_is_refused() -> None:
    schema = {
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.a ++ 1"}, {"rule": "true", "messageExpression": "'a' +"}],
        "properties": {"a": {"type": "integer", "default": "three"}, "b": {"type": "string", "pattern": "a("}},
    }
    crd = _definition(schema)
    crd["spec"]["versions"].append({"name": "v2", "served": True, "storage": False, "schema": {}})
    crd["spec"]["conversion"] = {"strategy": "Webhook"}
    errors = await _errors(crd)
    assert [error.field for error in errors] == [
        "spec.versions[1].schema.openAPIV3Schema",
        "spec.versions[0].schema.openAPIV3Schema.properties[a].default",
        "spec.versions[0].schema.openAPIV3Schema.properties[b].pattern",
        "spec.conversion.strategy",
    ]
    fault = "must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `a(`"
    assert errors[2].detail == fault
    schema["properties"] = {"a": {"type": "integer"}}
    assert [error.field for error in await _errors(_definition(schema))] == [
        "spec.validation.openAPIV3Schema.x-kubernetes-validations[0].rule",
        "spec.validation.openAPIV3Schema.x-kubernetes-validations[1].messageExpression",
    ]


async def test_defaults_are_told_of_where_their_schema_is() -> None:
    crd = _definition({"type": "object", "properties": {"a": {"type": "blob", "default": 1}}})
    crd["spec"]["versions"][0]["additionalPrinterColumns"] = [{"name": "A", "type": "blob", "jsonPath": ".a"}]
    crd["spec"]["preserveUnknownFields"] = True
    assert [f"{error.field} {error.type}" for error in await _errors(crd)] == [
        "spec.preserveUnknownFields FieldValueInvalid",
        "spec.validation.openAPIV3Schema.properties[a].type FieldValueNotSupported",
        "spec.additionalPrinterColumns[0].type FieldValueInvalid",
        "spec.preserveUnknownFields FieldValueInvalid",
    ]
