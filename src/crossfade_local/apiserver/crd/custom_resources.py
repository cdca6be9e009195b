"""Objects of custom kinds: pruning of unknown fields, defaulting, and validation."""

from dataclasses import dataclass
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.crd.validator import Checked, checked
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.types.schema import OBJECT_META, SchemaNode
from crossfade_local.apiserver.types.typed import conform
from crossfade_local.apiserver.validation.errors import FieldError
from crossfade_local.apiserver.validation.metadata import validate_metadata, validate_metadata_update
from crossfade_local.apiserver.validation.names import subdomain_name
from crossfade_local.apiserver.values.copies import copied

_EMBEDDED_KEEPS: Final = ("apiVersion", "kind", "metadata")


@dataclass(frozen=True)
class Pruned:
    object: JsonObject
    unknown: list[str]


def prune(resource: ResourceType, obj: JsonObject) -> Pruned:
    """The object without fields that its schema doesn't know, and their paths; raises typed.WrongTypeError."""
    unknown: list[str] = []
    metadata = obj.get("metadata") or {}
    rest = {key: value for key, value in obj.items() if key != "metadata"}
    result = _pruned(resource.schema, rest, "", unknown)
    typed = conform(resource.schema.properties["metadata"], metadata)
    unknown += [f"metadata.{path}" for path in typed.unknown]
    return Pruned({**result, "metadata": typed.object}, sorted(unknown))


def _pruned(node: SchemaNode, value: Any, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        result: JsonObject = {}
        for key, inner in value.items():
            child = node.child(key)
            place = f"{path}.{key}" if path else key
            if child is not None:
                result[key] = _pruned(child, inner, place, unknown)
            elif node.is_embedded_resource and key in _EMBEDDED_KEEPS:
                result[key] = inner
            else:
                unknown.append(place)
        return result
    if isinstance(value, list):
        items = node.items
        if items is None:
            return value
        return [_pruned(items, inner, f"{path}[{index}]", unknown) for index, inner in enumerate(value)]
    return value


def with_defaults(resource: ResourceType, obj: JsonObject) -> JsonObject:
    """A copy with the schema's defaults; nulls where null is not allowed become the default or vanish."""
    result = copied(obj)
    _default(resource.schema, result)
    return result


def _default(node: SchemaNode, value: Any) -> None:
    if isinstance(value, dict):
        if node.name == OBJECT_META:
            return
        for name, child in node.properties.items():
            if name in value and value[name] is None and not child.is_nullable and child.type:
                if child.has_default:
                    del value[name]
                else:
                    continue
            if name not in value and child.has_default:
                value[name] = copied(child.default)
        for name, inner in value.items():
            found = node.child(name)
            if found is not None:
                _default(found, inner)
    elif isinstance(value, list) and node.items is not None:
        for inner in value:
            _default(node.items, inner)


async def errors_of(
    rules: Rules,
    resource: ResourceType,
    new: JsonObject,
    old: JsonObject | None,
    *,
    subresource: str = "",
    size: int,
) -> list[FieldError]:
    """Everything that is wrong with an object in stored form."""

    def look() -> tuple[list[FieldError], Checked]:
        about_metadata = validate_metadata(
            new, namespaced=resource.namespaced, name_check=subdomain_name, is_custom=True
        )
        if old is not None:
            about_metadata = validate_metadata_update(new, old)
        return list(about_metadata), checked(resource, new, subresource=subresource)

    errors, found = await aside(size, look)
    errors += found.errors
    if found.rules is not None:
        schema, whole = found.rules
        errors += await rules.errors(schema, whole, old)
    return errors
