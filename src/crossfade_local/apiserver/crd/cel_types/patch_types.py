"""The types of which expressions of mutating policies make their patches: `Object`, what is in it, and `JSONPatch`."""

from typing import Final

from crossfade_local.apiserver.crd.cel_types.types import DYN, STRING, Kind, Type

_OPERATION: Final = {"op": STRING, "from": STRING, "path": STRING, "value": DYN}
JSON_PATCH: Final = Type("JSONPatch", Kind.OBJECT, field_named=_OPERATION.get)


def _object(name: str) -> Type:
    """Of its fields nothing is known."""
    return Type(name, Kind.OBJECT, field_named=lambda _: DYN)


OBJECT: Final = _object("Object")


def patch_type(name: str) -> Type | None:
    """By its name."""
    if name == JSON_PATCH.name:
        return JSON_PATCH
    return _object(name) if name == OBJECT.name or name.startswith(f"{OBJECT.name}.") else None
