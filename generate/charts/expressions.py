"""Nodes as expressions and conditions of Go's templates, with Helm's functions."""

import json
from functools import singledispatch
from typing import Any, Final

from crossfade.install.template.nodes import (
    ABSENT,
    All,
    AnyOf,
    AppVersion,
    FirstOf,
    Given,
    HasApi,
    Is,
    Item,
    Joined,
    Largest,
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

_YES_OR_NO: Final = (All, AnyOf, HasApi, Is, Not)


@singledispatch
def expression(node: Any) -> str:
    """One operand: what has arguments is in brackets. Raises TypeError for a node that gives no single value."""
    if isinstance(node, str | int | float | bool):
        return json.dumps(node)
    raise TypeError(f"{node!r} is not a single value")


@expression.register
def _(node: Value) -> str:
    return f".Values.{node.path}"


@expression.register
def _(node: Given) -> str:
    return f".Values.{node.path}"


@expression.register
def _(node: Number) -> str:
    return f"(toJson .Values.{node.path})"


@expression.register
def _(node: Unlisted) -> str:
    names = " ".join(json.dumps(name) for name in node.path.split("."))
    return f"(dig {names} {json.dumps(node.default)} .Values.AsMap)"


@expression.register
def _(node: Item) -> str:
    return f".{node.field}"


@expression.register
def _(node: Release) -> str:
    return f".Release.{node.field}"


@expression.register
def _(_node: AppVersion) -> str:
    return ".Chart.AppVersion"


@expression.register
def _(node: Named) -> str:
    return f'(include "{node.name}" .)'


@expression.register
def _(node: Text) -> str:
    pattern = "".join(part.replace("%", "%%") if isinstance(part, str) else "%v" for part in node.parts)
    operands = [expression(part) for part in node.parts if not isinstance(part, str)]
    return f"(printf {json.dumps(pattern)} {' '.join(operands)})" if operands else json.dumps("".join(node.parts))


@expression.register
def _(node: Joined) -> str:
    parts = " ".join(expression(part) for part in node.parts)
    return f"(join {json.dumps(node.separator)} (compact (list {parts})))"


@expression.register
def _(node: Words) -> str:
    return f'(join " " {expression(node.items)})'


@expression.register
def _(node: FirstOf) -> str:
    return f"(coalesce {' '.join(expression(choice) for choice in node.choices)})"


@expression.register
def _(node: When) -> str:
    otherwise = '""' if node.otherwise is ABSENT else expression(node.otherwise)
    return f"(ternary {expression(node.then)} {otherwise} {_boolean(node.condition)})"


@expression.register
def _(node: Not) -> str:
    return f"(not {expression(node.condition)})"


@expression.register
def _(node: All) -> str:
    return f"(and {' '.join(expression(one) for one in node.conditions)})"


@expression.register
def _(node: AnyOf) -> str:
    return f"(or {' '.join(expression(one) for one in node.conditions)})"


@expression.register
def _(node: Is) -> str:
    return f"(eq (toString {expression(node.node)}) {json.dumps(node.text)})"


@expression.register
def _(node: Sum) -> str:
    return f"(add {' '.join(expression(part) for part in node.parts)})"


@expression.register
def _(node: Largest) -> str:
    return f"(max {' '.join(expression(part) for part in node.parts)})"


@expression.register
def _(node: HasApi) -> str:
    return f"(.Capabilities.APIVersions.Has {json.dumps(node.api)})"


def condition(node: Any) -> str:
    """As after `if`."""
    return bare(expression(node))


def bare(found: str) -> str:
    """Without the brackets that are around all of it: where an action holds nothing else."""
    return found[1:-1] if found.startswith("(") else found


def _boolean(node: Any) -> str:
    found = expression(node)
    return found if isinstance(node, Not | HasApi | Is) else f"(not (empty {found}))"
