"""Validation of what a version of a CustomResourceDefinition has beside its schema: columns, subresources, fields to
select by."""

from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.validation.errors import FieldError, duplicate, invalid, required, too_long, too_many
from crossfade_local.apiserver.validation.schema_paths import PathError, field_at
from crossfade_local.values.fields import flag, mapping, objects, text

_COLUMN_TYPES: Final = "boolean,date,integer,number,string"
_COLUMN_FORMATS: Final = "byte,date,date-time,double,float,int32,int64,password"
_MOST_COLUMNS: Final = 200
_LONGEST_PATH: Final = 2_048
_MOST_SELECTABLE: Final = 8
_LONGEST_WARNING: Final = 256
_SELECTABLE_TYPES: Final = ("boolean", "integer", "string")
# What all versions have alike Kubernetes looks at without what they have apart, a schema too, and the other way round.
_NO_SCHEMA: Final = {"spec.selectableFields": "validations.schema is included"}
_NO_SCHEMA_OF_VERSION: Final = "`version.schema.openAPIV3Schema` is not included"
_NOT_SELECTABLE: Final = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)


def validate_deprecation(field: str, version: JsonObject) -> Iterator[FieldError]:
    warning = version.get("deprecationWarning")
    if warning is None:
        return
    if not flag(version, "deprecated"):
        yield invalid(field, warning, "can only be set for deprecated versions")
    if len(warning) > _LONGEST_WARNING:
        yield invalid(field, warning, f"must be <= {_LONGEST_WARNING} characters long")
    if not warning:
        yield invalid(field, warning, "must not be an empty string")
    place = next((index for index, character in enumerate(warning) if not character.isprintable()), None)
    if place is not None:
        said = f"must only contain printable UTF-8 characters; non-printable character found at index {place}"
        yield invalid(field, warning, said)


def validate_columns(field: str, found: Any) -> Iterator[FieldError]:
    columns = objects({"columns": found}, "columns")
    if len(columns) > _MOST_COLUMNS:
        yield too_many(field, len(columns), _MOST_COLUMNS)
        return
    for index, column in enumerate(columns):
        place, kind, form = f"{field}[{index}]", text(column, "type"), text(column, "format")
        if not text(column, "name"):
            yield required(f"{place}.name")
        if not kind:
            yield required(f"{place}.type", f"must be one of {_COLUMN_TYPES}")
        elif kind not in _COLUMN_TYPES.split(","):
            yield invalid(f"{place}.type", kind, f"must be one of {_COLUMN_TYPES}")
        if form and form not in _COLUMN_FORMATS.split(","):
            yield invalid(f"{place}.format", form, f"must be one of {_COLUMN_FORMATS}")
        yield from _simple_path(f"{place}.JSONPath", text(column, "jsonPath"), is_needed=True)


def validate_subresources(field: str, found: Any) -> Iterator[FieldError]:
    scale = mapping({"found": found}, "found").get("scale")
    if not isinstance(scale, dict):
        return
    for name, root in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        path, place = text(scale, name), f"{field}.scale.{name}"
        errors = list(_simple_path(place, path, is_needed=True))
        yield from errors
        if not errors and not path.startswith(f"{root}."):
            yield invalid(place, path, f"should be a json path under {root}")
    path, place = text(scale, "labelSelectorPath"), f"{field}.scale.labelSelectorPath"
    errors = list(_simple_path(place, path, is_needed=False))
    yield from errors
    if path and not errors and not path.startswith((".spec.", ".status.")):
        yield invalid(place, path, "should be a json path under either .spec or .status")


def _simple_path(field: str, path: str, *, is_needed: bool) -> Iterator[FieldError]:
    if not path:
        if is_needed:
            yield required(field)
    elif not path.startswith("."):
        yield invalid(field, path, "must be a simple json path starting with .")
    elif len(path) > _LONGEST_PATH:
        yield too_long(field, _LONGEST_PATH)


def validate_selectable_fields(field: str, found: Any, schema: Any) -> Iterator[FieldError]:
    selectable = objects({"found": found}, "found")
    if selectable and not isinstance(schema, dict):
        yield invalid(field, "", f"may only be set when {_NO_SCHEMA.get(field, _NO_SCHEMA_OF_VERSION)}")
        return
    taken: set[str] = set()
    for index, one in enumerate(selectable):
        place, path = f"{field}[{index}].jsonPath", text(one, "jsonPath")
        if not path:
            yield required(place)
            continue
        try:
            target = field_at(schema, path)
        except PathError as error:
            yield invalid(place, path, f"is an invalid path: {error}")
            continue
        if path == ".metadata" or path.startswith((".metadata.", ".metadata[")):
            yield invalid(place, path, "must not point to fields in metadata")
        if target.get("type") not in _SELECTABLE_TYPES or flag(target, "x-kubernetes-int-or-string"):
            yield invalid(place, path, _NOT_SELECTABLE)
        if path in taken:
            yield duplicate(place, path)
        taken.add(path)
    if len(taken) > _MOST_SELECTABLE:
        yield too_many(field, len(taken), _MOST_SELECTABLE)
