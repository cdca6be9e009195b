"""What is refused of a version of a CustomResourceDefinition."""

from typing import Any

import pytest

from crossfade_local.apiserver.validation.crd_versions import (
    validate_columns,
    validate_deprecation,
    validate_selectable_fields,
    validate_subresources,
)
from crossfade_local.apiserver.validation.schema_paths import PathError, field_at
from crossfade_local.apiserver.validation.schema_rules import validate_rules

TEXT = {"type": "string"}
SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"a.b": TEXT, "x": TEXT, "l": {"type": "array", "items": TEXT}}},
        "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.x", "string"),
        (".spec['a.b']", "string"),
        (".map.anything", "integer"),
        (".map['anything']", "integer"),
        (".spec.y", "does not refer to a valid field"),
        (".spec.l.x", "does not refer to a valid field"),
        ("spec", "expected [ or . but got: spec"),
        (".spec.", "unexpected end of JSON path"),
        (".spec..x", "unexpected token: ."),
    ],
)
def test_paths_lead_along_the_schema(path: str, found: str) -> None:
    try:
        kind = field_at(SCHEMA, path)["type"]
    except PathError as error:
        kind = str(error)
    assert kind == found


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ({"name": "a", "type": "string", "jsonPath": ".a", "format": "int32"}, []),
        ({}, ["name: Required value", "type: Required value: must be one of boolean,date,integer,number,string",
              "JSONPath: Required value"]),
        ({"name": "a", "type": "date", "jsonPath": "a", "format": "day"}, [
            'format: Invalid value: "day": must be one of byte,date,date-time,double,float,int32,int64,password',
            'JSONPath: Invalid value: "a": must be a simple json path starting with .',
        ]),
    ],
)  # fmt: skip
def test_columns(column: dict[str, Any], expected: list[str]) -> None:
    assert [str(error) for error in validate_columns("c", [column])] == [f"c[0].{error}" for error in expected]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ({"specReplicasPath": ".spec.a", "statusReplicasPath": ".status.b", "labelSelectorPath": ".spec.c"}, []),
        ({}, ["specReplicasPath: Required value", "statusReplicasPath: Required value"]),
        ({"specReplicasPath": ".status.a", "statusReplicasPath": "b", "labelSelectorPath": ".c"}, [
            'specReplicasPath: Invalid value: ".status.a": should be a json path under .spec',
            'statusReplicasPath: Invalid value: "b": must be a simple json path starting with .',
            'labelSelectorPath: Invalid value: ".c": should be a json path under either .spec or .status',
        ]),
    ],
)  # fmt: skip
def test_scale(scale: dict[str, Any], expected: list[str]) -> None:
    errors = validate_subresources("s", {"scale": scale})
    assert [str(error) for error in errors] == [f"s.scale.{error}" for error in expected]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([".spec.x", ".map.a"], []),
        ([".spec.x", ".spec.x"], ['s[1].jsonPath: Duplicate value: ".spec.x"']),
        ([""], ["s[0].jsonPath: Required value"]),
        ([".spec.y"], ['s[0].jsonPath: Invalid value: ".spec.y": is an invalid path: does not refer to a valid field']),
        ([".spec"], [
            ('s[0].jsonPath: Invalid value: ".spec": must point to a field of type string, boolean or integer. Enum '
             "string fields and strings with formats are allowed."),
        ]),
    ],
)  # fmt: skip
def test_fields_to_select_by(paths: list[str], expected: list[str]) -> None:
    found = validate_selectable_fields("s", [{"jsonPath": path} for path in paths], SCHEMA)
    assert [str(error) for error in found] == expected


@pytest.mark.parametrize(
    ("field", "without"),
    [
        ("spec.selectableFields", "validations.schema is included"),
        ("spec.versions[0].selectableFields", "`version.schema.openAPIV3Schema` is not included"),
    ],
)
def test_fields_to_select_by_need_a_schema_that_is_kept_where_they_are(field: str, without: str) -> None:
    [found] = validate_selectable_fields(field, [{"jsonPath": ".spec.x"}], None)
    assert str(found) == f'{field}: Invalid value: "": may only be set when {without}'


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ({"deprecationWarning": "w"}, ['d: Invalid value: "w": can only be set for deprecated versions']),
        ({"deprecated": True, "deprecationWarning": ""}, ['d: Invalid value: "": must not be an empty string']),
        ({"deprecated": True, "deprecationWarning": "w"}, []),
        ({}, []),
    ],
)
def test_warnings_of_deprecated_versions(version: dict[str, Any], expected: list[str]) -> None:
    assert [str(error) for error in validate_deprecation("d", version)] == expected


def test_rules_name_fields_that_there_are() -> None:
    rules = [{"rule": "true", "fieldPath": path} for path in (".spec.x", ".spec.y", "x")]
    assert [error.field for error in validate_rules("s", {**SCHEMA, "x-kubernetes-validations": rules})] == [
        "s.x-kubernetes-validations[1].fieldPath",
        "s.x-kubernetes-validations[2].fieldPath",
    ]
