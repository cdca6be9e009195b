"""The types that expressions see of objects whose schema is known: for warnings only, never for decisions."""

from typing import Final

from crossfade_local.apiserver.crd.cel_language.names import RESERVED, field_named
from crossfade_local.apiserver.crd.cel_types import types
from crossfade_local.apiserver.crd.cel_types.types import Kind, Type
from crossfade_local.apiserver.types.schema import SchemaNode

_FORMATS: Final = {
    "byte": types.BYTES,
    "duration": types.DURATION,
    "date": types.TIMESTAMP,
    "date-time": types.TIMESTAMP,
}
_SIMPLE: Final = {"boolean": types.BOOL, "number": types.DOUBLE, "integer": types.INT}


def object_type(node: SchemaNode, name: str) -> Type | None:
    """None for what has no type, quantities among it: Kubernetes takes such a field for none."""
    if node.is_int_or_string or node.format == "int-or-string":
        return types.DYN
    if node.is_quantity:
        return None
    match node.type:
        case "array":
            item = object_type(node.items, f"{name}.@idx") if node.items else None
            return types.list_of(item) if item else None
        case "object" if node.additional_properties is not None:
            value = object_type(node.additional_properties, f"{name}.@elem")
            return types.map_of(types.STRING, value) if value else None
        case "object":
            return Type(name, Kind.OBJECT, field_named=lambda field: _field(node, name, field))
        case "string":
            return _FORMATS.get(node.format, types.STRING)
    return _SIMPLE.get(node.type)


def _field(node: SchemaNode, name: str, field: str) -> Type | None:
    """Found when it is asked for: schemas hold themselves."""
    found = node.properties.get(field if field in RESERVED else field_named(field))
    return object_type(found, f"{name}.{field}") if found else None
