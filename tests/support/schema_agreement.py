"""Compares what a definition's schema lets users write with the struct that the control plane reads it into."""

import types
from collections.abc import Iterator
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec

from crossfade.api.bounds import Bounds
from crossfade_kube.meta import JsonObject

_WORDS: Final[dict[Any, str]] = {int: "integer", float: "number", str: "string", bool: "boolean"}
_FREE: Final = "x-kubernetes-preserve-unknown-fields"


def disagreements(kind: type[Any], schema: JsonObject, path: str = "") -> Iterator[str]:
    """Fields that the schema lacks or types otherwise, and bounds that reach beyond the struct's."""
    hints = get_type_hints(kind, include_extras=True)
    properties = schema.get("properties", {})
    for field in msgspec.structs.fields(kind):
        here = f"{path}.{field.encode_name}".lstrip(".")
        if field.encode_name not in properties:
            yield f"{here}: not in the schema"
            continue
        yield from _of_type(hints[field.name], properties[field.encode_name], here)
        if field.required and field.encode_name not in schema.get("required", ()):
            yield f"{here}: the struct needs it, the schema does not ask for it"


def unread(kind: type[Any], schema: JsonObject, path: str = "") -> Iterator[str]:
    """Paths that a user can write and that no struct field holds."""
    hints = get_type_hints(kind, include_extras=True)
    fields = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(kind)}
    for name, part in schema.get("properties", {}).items():
        here = f"{path}.{name}".lstrip(".")
        if name not in fields:
            yield here
            continue
        inner = _plain(fields[name])
        if get_origin(inner) is tuple:
            inner, part, here = _plain(get_args(inner)[0]), part.get("items", {}), f"{here}[]"
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from unread(inner, part, here)


def _of_type(hint: Any, schema: JsonObject, path: str) -> Iterator[str]:
    hint = _optional(hint)
    if get_origin(hint) is Annotated:
        yield from _bounded(hint, schema, path)
    hint = _plain(hint)
    if get_origin(hint) is tuple:
        yield from _expect("array", schema, path)
        yield from _of_type(get_args(hint)[0], schema.get("items", {}), f"{path}[]")
    elif get_origin(hint) is dict:
        yield from _expect("object", schema, path)
        if not schema.get(_FREE) and "additionalProperties" in schema:
            yield from _of_type(get_args(hint)[1], schema["additionalProperties"], f"{path}{{}}")
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        yield from _expect("object", schema, path)
        yield from disagreements(hint, schema, path)
    elif hint is not Any:
        yield from _expect(_WORDS[hint], schema, path)


def _bounded(hint: Any, schema: JsonObject, path: str) -> Iterator[str]:
    for rule in hint.__metadata__:
        if isinstance(rule, Bounds) and not _is_within(schema, rule):
            yield f"{path}: the schema allows more than {rule.least} to {rule.most}"


def _is_within(schema: JsonObject, rule: Bounds) -> bool:
    return rule.least <= schema.get("minimum", rule.least - 1) and schema.get("maximum", rule.most + 1) <= rule.most


def _expect(word: str, schema: JsonObject, path: str) -> Iterator[str]:
    if schema.get("type") != word:
        yield f"{path}: {word} in the struct, {schema.get('type')} in the schema"


def _optional(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (part for part in get_args(hint) if part is not type(None))
    return hint


def _plain(hint: Any) -> Any:
    hint = _optional(hint)
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint
