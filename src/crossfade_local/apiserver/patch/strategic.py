"""Strategic merge patch: a merge which knows the keys of lists, with Kubernetes' `$` directives.

Only for built-in kinds; custom resources have no patch markers and answer 415 before this is reached.
"""

from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.patch.conversion import conversion_problem
from crossfade_local.apiserver.patch.element_order import Places, mark, ordered, partition
from crossfade_local.apiserver.patch.errors import PatchError, undecodable
from crossfade_local.apiserver.types.schema import SchemaNode
from crossfade_local.apiserver.validation.errors import invalid
from crossfade_local.apiserver.values.copies import copied
from crossfade_local.apiserver.values.gotext import plain

_DIRECTIVE: Final = "$patch"
_RETAIN_KEYS: Final = "$retainKeys"
_DELETE_PREFIX: Final = "$deleteFromPrimitiveList/"
_ORDER_PREFIX: Final = "$setElementOrder/"
_BAD_ORDER: Final = "invalid patch format of setElementOrder list"


def apply_strategic_patch(obj: JsonObject, patch: Any, schema: SchemaNode) -> JsonObject:
    """The patched object, made of `obj`, which is used up; the patch stays as it is.

    Raises PatchError: 400 for malformed directives, 500 without a reason for a list item that lacks its merge key
    (so does Kubernetes), 422 if a value ends up with a wrong type.
    """
    if not isinstance(patch, dict):
        raise undecodable(patch, "map[string]interface {}")
    merged = _merge_map(obj, copied(patch), schema)
    problem = conversion_problem(merged, schema)
    if problem:
        raise PatchError(problem, errors=[invalid("patch", plain(patch), problem)])
    return merged


def _server_error(message: str) -> PatchError:
    return PatchError(message, code=500, reason="")


def _bad_request(message: str) -> PatchError:
    return PatchError(message, code=400, reason="BadRequest")


def _merge_map(original: JsonObject, patch: JsonObject, schema: SchemaNode | None) -> JsonObject:
    if _DIRECTIVE in patch:
        return _directed_map(patch)
    _retain_keys(original, patch)
    _apply_element_order(original, patch, schema)
    for key, value in patch.items():
        if key.startswith(_DELETE_PREFIX):
            _delete_from_list(original, key.removeprefix(_DELETE_PREFIX), value)
        elif value is None:
            original.pop(key, None)
        else:
            _merge_field(original, key, value, schema)
    return original


def _directed_map(patch: JsonObject) -> JsonObject:
    directive = patch.pop(_DIRECTIVE)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    raise _server_error(f"unknown patch type: {plain(directive)} in map: {plain({**patch, _DIRECTIVE: directive})}")


def _retain_keys(original: JsonObject, patch: JsonObject) -> None:
    if _RETAIN_KEYS not in patch:
        return
    keys = patch.pop(_RETAIN_KEYS)
    named = {key for key, value in patch.items() if value is not None and not key.startswith("$")}
    if not isinstance(keys, list) or not named <= set(keys):
        raise _bad_request("invalid patch format of retainKeys")
    for key in original.keys() - set(keys):
        del original[key]


def _delete_from_list(original: JsonObject, key: str, unwanted: Any) -> None:
    current = original.get(key)
    if isinstance(current, list) and isinstance(unwanted, list):
        gone = {mark(item, None) for item in unwanted}
        original[key] = [item for item in current if mark(item, None) not in gone]


def _merge_field(original: JsonObject, key: str, value: Any, schema: SchemaNode | None) -> None:
    current = original.get(key)
    if key not in original or type(current) is not type(value) or not isinstance(value, dict | list):
        kept, clean = _without_directives(_without_nulls(value))
        if kept:
            original[key] = clean
        else:
            original.pop(key, None)
        return
    node = _child(schema, key)
    strategy: frozenset[str] = node.patch_strategy if node else frozenset()
    if isinstance(current, dict) and isinstance(value, dict):
        original[key] = value if "replace" in strategy else _merge_map(current, value, node)
    elif isinstance(current, list) and isinstance(value, list):
        original[key] = _merge_list(current, value, node) if "merge" in strategy else value


def _child(schema: SchemaNode | None, key: str) -> SchemaNode | None:
    return schema.child(key) if schema else None


def _merge_list(original: list[Any], patch: list[Any], node: SchemaNode | None) -> list[Any]:
    if not original and not patch:
        return original
    _check_elements(original, patch)
    key = node.merge_key if node else None
    if not isinstance((original or patch)[0], dict):
        merged = list(dict.fromkeys([*original, *patch]))
        return ordered(*partition(merged, patch, None), patch, original, None)
    if key is None:
        raise _server_error(f"cannot merge lists without merge key for {node.name if node else ''}")
    original, plain_patch = _apply_special_elements(original, patch, key)
    merged = _merge_items(list(original), plain_patch, key, node.items if node else None)
    _require_keys(merged, key)
    return ordered(*partition(merged, plain_patch, key), plain_patch, original, key)


def _check_elements(*lists: list[Any]) -> None:
    kinds = {type(item) for items in lists for item in items}
    if list in kinds:
        raise PatchError("lists of lists are not supported", code=422)
    if len(kinds) > 1:
        raise _server_error(f"list element types are not identical: {plain(list(lists))}")


def _no_merge_key(item: JsonObject, key: str) -> PatchError:
    return _server_error(f"map: {plain(item)} does not contain declared merge key: {key}")


def _require_keys(items: list[JsonObject], key: str) -> None:
    for item in items:
        if key not in item:
            raise _no_merge_key(item, key)


def _apply_special_elements(
    original: list[JsonObject], patch: list[JsonObject], key: str
) -> tuple[list[JsonObject], list[JsonObject]]:
    """Carries out the items which bear a `$patch` directive; what is left of both lists."""
    rest, replace, gone = [], False, set()
    for item in patch:
        directive = item.get(_DIRECTIVE)
        if _DIRECTIVE not in item:
            rest.append(item)
        elif directive == "delete":
            if key not in item:
                raise _no_merge_key(item, key)
            gone.add(mark(item, key))
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise _server_error("merging lists cannot yet be specified in the patch")
        else:
            raise _server_error(f"unknown patch type: {plain(directive)} in map: {plain(item)}")
    if replace:
        return rest, []
    return [entry for entry in original if mark(entry, key) not in gone] if gone else original, rest


def _merge_items(
    original: list[JsonObject], patch: list[JsonObject], key: str, node: SchemaNode | None
) -> list[JsonObject]:
    places = Places(original, key)
    for item in patch:
        if key not in item:
            raise _no_merge_key(item, key)
        place = places.of(item)
        if place < 0:
            places.note(item, len(original))
            original.append(_without_directives(_without_nulls(item))[1])
        else:
            original[place] = _merge_map(original[place], item, node)
    return original


def _apply_element_order(original: JsonObject, patch: JsonObject, schema: SchemaNode | None) -> None:
    """Merges the lists for which the patch dictates the order of the result, and takes them out of the patch."""
    for directive in [key for key in patch if key.startswith(_ORDER_PREFIX)]:
        order = patch.pop(directive)
        key = directive.removeprefix(_ORDER_PREFIX)
        node = _child(schema, key)
        merge_key = node.merge_key if node else None
        current, wanted = original.get(key), patch.get(key)
        if not all(isinstance(items, list) for items in (order, *(x for x in (current, wanted) if x is not None))):
            raise _bad_request(_BAD_ORDER)
        if current is None and wanted is None:
            continue
        _check_order(wanted or [], order, merge_key)
        merged = current if wanted is None else _without_directives(wanted)[1]
        if current is not None and wanted is not None:
            strategy = node.patch_strategy if node else frozenset[str]()
            merged = _merge_list(current, wanted, node) if "merge" in strategy else wanted
        original[key] = ordered(*partition(merged or [], order, merge_key), order, current or [], merge_key)
        patch.pop(key, None)


def _check_order(wanted: list[Any], order: list[Any], key: str | None) -> None:
    """The patch's items must come in the dictated order."""
    items = [item for item in wanted if not (isinstance(item, dict) and _DIRECTIVE in item)]
    if not order or not items:
        return
    remaining = iter(order)
    for item in items:
        if not any(_same(item, candidate, key) for candidate in remaining):
            text = f"The order in patch list:\n{plain(wanted)}\n doesn't match $setElementOrder list:\n{plain(order)}\n"
            raise _server_error(text)


def _same(left: Any, right: Any, key: str | None) -> bool:
    if key is None:
        return bool(left == right)
    for item in (left, right):
        if not isinstance(item, dict) or key not in item:
            raise _no_merge_key(item if isinstance(item, dict) else {}, key)
    return bool(left[key] == right[key])


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _without_directives(value: Any) -> tuple[bool, Any]:
    """False where the whole value is a directive."""
    if isinstance(value, dict):
        if _DIRECTIVE in value:
            return False, None
        cleaned = {
            key: _without_directives(item)
            for key, item in value.items()
            if not key.startswith((_DELETE_PREFIX, _ORDER_PREFIX))
        }
        return True, {key: item for key, (kept, item) in cleaned.items() if kept and key != _RETAIN_KEYS}
    if isinstance(value, list):
        return True, [item for kept, item in map(_without_directives, value) if kept]
    return True, value
