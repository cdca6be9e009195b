"""Fills the holes of manifests, as Helm does with the templates that are written of them."""

import json
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

from msgspec import Struct

from crossfade.install.template.nodes import (
    ABSENT,
    Absent,
    All,
    AnyOf,
    AppVersion,
    Each,
    EachText,
    Environment,
    FileItems,
    FileText,
    FirstOf,
    Given,
    HasApi,
    Is,
    Item,
    Joined,
    Largest,
    Merged,
    More,
    Named,
    Not,
    Number,
    Release,
    Sum,
    Text,
    Unlisted,
    Value,
    When,
    Words,
)
from crossfade_kube.meta import JsonObject


class Context(Struct, frozen=True):
    """`values` with the chart's defaults; `apis` as `group/version/Kind`; `item` is what Each is at."""

    values: JsonObject
    release: str
    namespace: str
    app_version: str
    apis: frozenset[str] = frozenset()
    item: Any = None


@singledispatch
def evaluate(node: Any, context: Context) -> Any:  # noqa: ARG001 - what stands for itself needs no context
    """Plain data, nothing of it shared with the node or the values. A field that is left out is ABSENT."""
    return node


@evaluate.register
def _(node: dict, context: Context) -> JsonObject:  # type: ignore[type-arg]
    found = ((key, evaluate(value, context)) for key, value in node.items())
    return {key: value for key, value in found if value is not ABSENT}


@evaluate.register
def _(node: list, context: Context) -> list[Any]:  # type: ignore[type-arg]
    return [item for part in node for item in _items(part, context)]


def _items(part: Any, context: Context) -> Iterator[Any]:
    if isinstance(part, When):
        part = part.then if evaluate(part.condition, context) else part.otherwise
    if isinstance(part, tuple):
        for one in part:
            yield from _items(one, context)
        return
    found = evaluate(part, context)
    if isinstance(part, Each | FileItems | Given):
        yield from () if found is ABSENT else found
    elif found is not ABSENT:
        yield found


@evaluate.register
def _(node: Value, context: Context) -> Any:
    *way, last = node.path.split(".")
    found: Any = context.values
    for name in way:
        found = found[name]
    return json.loads(json.dumps(found.get(last)))


@evaluate.register
def _(node: Number, context: Context) -> Any:
    return evaluate(Value(node.path), context)


@evaluate.register
def _(node: Given, context: Context) -> Any:
    found = evaluate(Value(node.path), context)
    if node.but:
        found.pop(node.but, None)
    return found or ABSENT


@evaluate.register
def _(node: Unlisted, context: Context) -> Any:
    found: Any = context.values
    for name in node.path.split("."):
        if not isinstance(found, dict) or name not in found:
            return node.default
        found = found[name]
    return found


@evaluate.register
def _(node: Item, context: Context) -> Any:
    return context.item.get(node.field) or "" if node.field else context.item


@evaluate.register
def _(node: Release, context: Context) -> str:
    return context.release if node.field == "Name" else context.namespace


@evaluate.register
def _(_node: AppVersion, context: Context) -> str:
    return context.app_version


@evaluate.register
def _(node: Absent, _context: Context) -> Absent:
    return node


@evaluate.register
def _(node: Text, context: Context) -> str:
    return "".join(_as_text(evaluate(part, context)) for part in node.parts)


@evaluate.register
def _(node: Joined, context: Context) -> str:
    parts = (_as_text(evaluate(part, context)) for part in node.parts)
    return node.separator.join(part for part in parts if part)


@evaluate.register
def _(node: Words, context: Context) -> str:
    return " ".join(evaluate(node.items, context) or ())


@evaluate.register
def _(node: FirstOf, context: Context) -> Any:
    found: Any = ""
    for choice in node.choices:
        found = evaluate(choice, context)
        if found:
            break
    return found


@evaluate.register
def _(node: Named, context: Context) -> Any:
    return evaluate(node.body, context)


@evaluate.register
def _(node: When, context: Context) -> Any:
    return evaluate(node.then if evaluate(node.condition, context) else node.otherwise, context)


@evaluate.register
def _(node: Not, context: Context) -> bool:
    return not evaluate(node.condition, context)


@evaluate.register
def _(node: All, context: Context) -> bool:
    return all(evaluate(one, context) for one in node.conditions)


@evaluate.register
def _(node: AnyOf, context: Context) -> bool:
    return any(evaluate(one, context) for one in node.conditions)


@evaluate.register
def _(node: Is, context: Context) -> bool:
    return _as_text(evaluate(node.node, context)) == node.text


@evaluate.register
def _(node: Sum, context: Context) -> int:
    return sum(evaluate(part, context) for part in node.parts)


@evaluate.register
def _(node: Largest, context: Context) -> int:
    return int(max(evaluate(part, context) for part in node.parts))


@evaluate.register
def _(node: HasApi, context: Context) -> bool:
    return node.api in context.apis


@evaluate.register
def _(node: Merged, context: Context) -> JsonObject:
    found = evaluate(node.fixed, context)
    for more in node.more:
        found |= evaluate(Value(more.path), context)
    return dict(found)


@evaluate.register
def _(node: Each, context: Context) -> list[Any]:
    return [evaluate(node.item, _at(context, item)) for item in evaluate(node.items, context)]


@evaluate.register
def _(node: EachText, context: Context) -> str:
    return ", ".join(_as_text(evaluate(node.text, _at(context, item))) for item in evaluate(node.items, context))


@evaluate.register
def _(node: FileText, _context: Context) -> str:
    return node.read()


@evaluate.register
def _(node: FileItems, _context: Context) -> list[Any]:
    return node.read()


@evaluate.register
def _(node: Environment, context: Context) -> list[JsonObject]:
    entries = evaluate(node.fixed, context)
    for more in node.more:
        entries |= _variables(more, context)
    return [*(_variable(name, entry) for name, entry in sorted(entries.items())), *evaluate(list(node.after), context)]


def _variables(more: More, context: Context) -> JsonObject:
    given = evaluate(more.value, context)
    return {
        f"{more.prefix}{name}".upper() if more.prefix else name: entry
        for name, entry in given.items()
        if (name.lower() in more.only if more.only else name.lower() not in more.without)
    }


def _variable(name: str, entry: Any) -> JsonObject:
    return {"name": name, **(entry if isinstance(entry, dict) else {"value": _as_text(entry)})}


def _at(context: Context, item: Any) -> Context:
    return Context(context.values, context.release, context.namespace, context.app_version, context.apis, item)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or value is ABSENT else json.dumps(value)
