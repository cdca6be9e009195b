"""Objects of custom kinds: pruning of unknown fields, defaulting, and validation."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.aside import aside
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.crd.validator import Checked, checked
from crossfade_local.apiserver.state.sizes import MOST_BYTES, TooLarge
from crossfade_local.apiserver.types.misfits import Path, path_text
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.types.schema import UNKNOWN, SchemaNode
from crossfade_local.apiserver.types.typed import conform
from crossfade_local.apiserver.validation.errors import FieldError
from crossfade_local.apiserver.validation.metadata import validate_metadata, validate_metadata_update
from crossfade_local.apiserver.validation.names import subdomain_name
from crossfade_local.apiserver.values.copies import COMPOSITES, copied

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
    result = _pruned(resource.schema, rest, None, unknown)
    typed = conform(resource.schema.properties["metadata"], metadata)
    unknown += [f"metadata.{path}" for path in typed.unknown]
    return Pruned({**result, "metadata": typed.object}, sorted(unknown))


def _pruned(node: SchemaNode, value: Any, path: Path, unknown: list[str]) -> Any:
    """Shares with the value whatever cannot lose anything."""
    if node is UNKNOWN:
        return value
    if isinstance(value, dict):
        result: JsonObject = {}
        for key, inner in value.items():
            child = node.child(key)
            if child is not None:
                is_flat = type(inner) not in COMPOSITES
                result[key] = inner if is_flat else _pruned(child, inner, (path, key), unknown)
            elif node.is_embedded_resource and key in _EMBEDDED_KEEPS:
                result[key] = inner
            else:
                unknown.append(path_text((path, key)))
        return result
    if isinstance(value, list) and (items := node.items) is not None:
        return [
            _pruned(items, inner, (path, index), unknown) if inner and type(inner) in COMPOSITES else inner
            for index, inner in enumerate(value)
        ]
    return value


def with_defaults(resource: ResourceType, obj: JsonObject) -> JsonObject:
    """A copy with the schema's defaults; nulls where null is not allowed become the default or vanish.

    Raises TooLarge.
    """
    result = copied(obj)
    if resource.schema.holds_defaults:
        _Defaulting().fill(resource.schema, result)
    return result


class _Defaulting:
    """Of one object, which grows by no more than what can be stored."""

    def __init__(self) -> None:
        self._left_bytes = MOST_BYTES
        self._sizes: dict[int, int] = {}

    def fill(self, node: SchemaNode, value: Any) -> None:
        """`node` is one that holds defaults."""
        if isinstance(value, dict):
            for name, child in node.defaulted:
                self._fill_field(value, name, child)
            for name, inner in value.items():
                if type(inner) in COMPOSITES and (found := node.child(name)) is not None and found.holds_defaults:
                    self.fill(found, inner)
        elif isinstance(value, list) and node.items is not None and node.items.holds_defaults:
            for inner in value:
                self.fill(node.items, inner)

    def _fill_field(self, value: JsonObject, name: str, node: SchemaNode) -> None:
        if name in value:
            if value[name] is not None or node.is_nullable or not node.type:
                return
            del value[name]
        size = self._sizes.get(id(node))
        if size is None:
            size = self._sizes[id(node)] = len(orjson.dumps({name: node.default}))
        self._left_bytes -= size
        if self._left_bytes < 0:
            raise TooLarge
        value[name] = copied(node.default)


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
    if found.ruled is not None:
        errors += await rules.errors(found.ruled, old)
    return errors
