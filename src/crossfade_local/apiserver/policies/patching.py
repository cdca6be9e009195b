"""Carries out the patches of mutating policies on an object in a served version."""

import bisect
from collections.abc import Iterator
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.apply.fit import problems
from crossfade_local.apiserver.apply.merge import merge
from crossfade_local.apiserver.patch import PatchError, apply_json_patch
from crossfade_local.apiserver.policies.mutations import MutationError
from crossfade_local.apiserver.types.schema import SchemaNode

_NUMBER: Final = "expected numeric (int or float), got structpb.NullValue"
_OF_NULL: Final = {
    "": "expected any scalar, got &{NULL_VALUE}",
    "array": "expected list, got &{NULL_VALUE}",
    "boolean": "expected boolean, got &{NULL_VALUE}",
    "integer": _NUMBER,
    "number": _NUMBER,
    "object": "expected map, got &{NULL_VALUE}",
    "string": "expected string, got &value.valueUnstructured{Value:0}",
}


def patched(obj: JsonObject, patch: Any, schema: SchemaNode) -> JsonObject:
    """By a list of operations, or by an object to apply. Raises MutationError."""
    if isinstance(patch, list):
        return _by_operations(obj, patch)
    return _by_merge(obj, {**patch, "apiVersion": obj["apiVersion"], "kind": obj["kind"]}, schema)


def _by_operations(obj: JsonObject, operations: list[JsonObject]) -> JsonObject:
    """An operation `test` that fails keeps the object as it is."""
    try:
        return apply_json_patch(obj, operations)
    except PatchError:
        failed = operations[_applicable(obj, operations)]
    if failed["op"] == "test":
        return obj
    raise MutationError(f'JSON Patch: {failed["op"]} operation does not apply: "{failed["path"]}"')


def _applicable(obj: JsonObject, operations: list[JsonObject]) -> int:
    """How many operations can be applied, of some that cannot be applied all."""

    def fails(count: int) -> bool:
        try:
            apply_json_patch(obj, operations[:count])
        except PatchError:
            return True
        return False

    return bisect.bisect_left(range(len(operations)), True, key=lambda index: fails(index + 1))


def _by_merge(obj: JsonObject, patch: JsonObject, schema: SchemaNode) -> JsonObject:
    if found := problems(schema, patch) or list(_nulls(schema, patch, "")):
        said = found[0] if len(found) == 1 else "\n".join(["errors:", *(f"  {problem}" for problem in found)])
        raise MutationError(f"error applying patch: failed to convert patch object to typed object: {said}")
    if atomic := list(_atomic(schema, patch, "")):
        said = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise MutationError(f"error applying patch: invalid ApplyConfiguration: {said}")
    merged: JsonObject = merge(schema, obj, patch)
    return merged


def _nulls(node: SchemaNode, value: Any, path: str) -> Iterator[str]:
    """Nothing may be null in what is applied; said as Kubernetes says it."""
    if value is None:
        is_any = node.is_int_or_string or node.is_quantity
        yield f"{path}: {_OF_NULL.get('' if is_any else node.type, _OF_NULL[''])}"
    elif isinstance(value, dict):
        for key, inner in value.items():
            if child := node.child(key):
                yield from _nulls(child, inner, f"{path}.{key}")
    elif isinstance(value, list) and node.items is not None:
        for index, item in enumerate(value):
            yield from _nulls(node.items, item, f"{path}[{index}]")


def _atomic(node: SchemaNode, value: Any, path: str) -> Iterator[str]:
    """What would be replaced as a whole: fields that the patch does not name would be lost."""
    if isinstance(value, dict):
        if node.is_atomic:
            yield path
        for key, inner in value.items():
            if child := node.properties.get(key):
                yield from _atomic(child, inner, f"{path}.{key}")
    elif isinstance(value, list):
        if node.is_atomic:
            yield path
        if node.items is not None:
            for index, item in enumerate(value):
                yield from _atomic(node.items, item, f"{path}[{index}]")
