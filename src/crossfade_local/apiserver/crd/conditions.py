"""Conditions in CEL of webhooks (`matchConditions`)."""

from collections.abc import Iterable
from typing import Any, Final

from crossfade_local.apiserver.cel_engine import engine
from crossfade_local.apiserver.crd import cel
from crossfade_local.apiserver.crd.cel_language.syntax import Index, ListOf, Literal, MapOf, Name, Node, Select, parse

_TYPES: Final = {"true": "bool", "false": "bool", "null": "null_type"}
_NO_BOOL: Final = "must evaluate to bool"


def compile_error(expression: str) -> str:
    """Why a condition can't be stored; empty if it can."""
    if fault := cel.compile_error(expression, is_condition=True):
        return f"compilation failed: {fault}"
    kind = _type_of(parse(expression))
    return "" if kind in ("", "bool") else f"{_NO_BOOL} but got {kind}"


def _type_of(node: Node) -> str:
    """Where it can be told without the types of functions; else empty."""
    if isinstance(node, Literal):
        return _TYPES.get(node.text) or _type_of_literal(node.text)
    if isinstance(node, Name):
        return "dyn" if node.name in ("object", "oldObject") else ""
    if isinstance(node, ListOf):
        return f"list({_common(item for _, item in node.items)})"
    if isinstance(node, MapOf):
        keys, values = (key for _, key, _ in node.entries), (value for _, _, value in node.entries)
        return f"map({_common(keys)}, {_common(values)})"
    if isinstance(node, Select | Index):
        return "dyn" if not node.is_optional and _type_of(node.target) == "dyn" else ""
    return ""


def _common(nodes: Iterable[Node]) -> str:
    kinds = {_type_of(node) or "dyn" for node in nodes}
    return kinds.pop() if len(kinds) == 1 else "dyn"


def _type_of_literal(text: str) -> str:
    if text[-1] in "'\"":
        is_bytes = "b" in text[: min(text.find(quote) for quote in "'\"" if quote in text)].lower()
        return "bytes" if is_bytes else "string"
    if text.lower().startswith("0x"):
        return "uint" if text[-1] in "uU" else "int"
    if text[-1] in "uU":
        return "uint"
    return "double" if any(sign in text for sign in ".eE") else "int"


def errors(expressions: list[str], variables: dict[str, Any]) -> list[str] | None:
    """Of those that cannot be evaluated; None if one is false, whatever the others are."""
    found = []
    for expression in expressions:
        try:
            program, functions = cel.compiled(expression, is_condition=True)
        except cel.BrokenRuleError as error:
            found.append(f"compilation error: compilation failed: {error}")
            continue
        try:
            # Anew for each: few webhooks have several.
            holds = program.execute(engine().Context(variables, functions))
        except Exception as error:  # the engine raises plain exceptions of several kinds
            found.append(f"expression '{expression}' resulted in error: {cel.said(error)}")
            continue
        if holds is False:
            return None
        if holds is not True:
            found.append(f"expression '{expression}' resulted in error: {_NO_BOOL}")
    return list(dict.fromkeys(found))
