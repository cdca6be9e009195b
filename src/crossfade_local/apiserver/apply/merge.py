"""Merging an applied configuration into a live object; nothing is removed by it."""

from collections import deque
from typing import Any

from crossfade_local.apiserver.apply.typed import MISSING, item_elements, shape_of
from crossfade_local.apiserver.types.schema import UNKNOWN, SchemaNode, Shape


def merge(node: SchemaNode, live: Any, applied: Any) -> Any:
    """Where both have a leaf, the applied one wins. Lists follow the applied order where it changes something."""
    if applied is MISSING or live is MISSING:
        return live if applied is MISSING else applied
    shape = shape_of(node, applied)
    if shape is not shape_of(node, live) or shape in (Shape.SCALAR, Shape.ATOMIC) or (not live and not applied):
        return applied
    if shape is Shape.FIELDS:
        return _merge_fields(node, live or {}, applied or {})
    return _merge_items(node, live or [], applied or [])


def _merge_fields(node: SchemaNode, live: dict[str, Any], applied: dict[str, Any]) -> dict[str, Any]:
    return {
        key: merge(node.child(key) or UNKNOWN, live.get(key, MISSING), applied.get(key, MISSING))
        for key in dict.fromkeys([*live, *applied])
    }


def _merge_items(node: SchemaNode, live: list[Any], applied: list[Any]) -> list[Any]:
    """Items of both lists in one order: shared items stand as in the applied list, others keep their neighbours."""
    left, right = item_elements(node, live), item_elements(node, applied)
    old = dict(zip(left, live, strict=True))
    new = dict(zip(right, applied, strict=True))
    shared = deque(name for name in right if name in old)
    merged: list[Any] = []
    done: set[str] = set()

    def take(name: str) -> None:
        merged.append(merge(node.items or UNKNOWN, old.get(name, MISSING), new.get(name, MISSING)))
        done.add(name)
        if shared and shared[0] == name:
            shared.popleft()

    at_left, at_right = 0, 0
    while at_left < len(left) or at_right < len(right):
        name = left[at_left] if at_left < len(left) else None
        if name is not None and at_right < len(right):
            if name == right[at_right]:
                take(name)
                at_left, at_right = at_left + 1, at_right + 1
                continue
            if name in new and shared and shared[0] != name:
                at_left += 1
                continue
        if name is not None:
            if name not in new:
                # Taken by position, not by name: a live list may hold duplicates.
                merged.append(live[at_left])
                at_left += 1
                continue
            if name in done:
                at_left += 1
        if at_right < len(right):
            take(right[at_right])
            at_right += 1
    return merged
