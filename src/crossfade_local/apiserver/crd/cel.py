"""Rules in CEL (`x-kubernetes-validations`) of custom resources.

Evaluated by the Rust engine behind `common-expression-language`. A rule that it cannot compile makes the
CustomResourceDefinition invalid, so that no rule is passed over silently.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.cel_engine import engine

RULES: Final = "x-kubernetes-validations"
MOST_CHARACTERS: Final = 16 * 1024
_MOST_NESTED: Final = 100
_TEXTS: Final = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_BRACKETS: Final = re.compile(r"[(\[{]|[)\]}]")
_MACROS: Final = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(")


class Violation(NamedTuple):
    """`shown` is the value that the message quotes, unless `is_omitted`."""

    place: str
    text: str
    reason: str
    shown: Any
    is_omitted: bool


@lru_cache(maxsize=2000)
def _program(rule: str) -> Any:
    return engine().compile(rule)


def compile_error(rule: str) -> str:
    """Why a rule can't be compiled; empty if it can."""
    if len(rule) > MOST_CHARACTERS:
        return f"it is longer than {MOST_CHARACTERS} characters"
    if _deepest(_TEXTS.sub("", rule)) > _MOST_NESTED:
        return f"expression recursion limit exceeded: {_MOST_NESTED}"
    try:
        _program(rule)
    except Exception as error:
        return str(error)
    return ""


def _deepest(rule: str) -> int:
    depth = deepest = 0
    for bracket in _BRACKETS.finditer(rule):
        depth += 1 if bracket[0] in "([{" else -1
        deepest = max(deepest, depth)
    return deepest


def iterates(rule: str) -> bool:
    """Whether it may go through a list or a map; else its time grows with its own length and the value's only."""
    return _MACROS.search(rule) is not None


def rules_of(schema: Any) -> Iterator[str]:
    """The text of every rule in a schema, and of every messageExpression."""
    if isinstance(schema, dict):
        rules = schema.get(RULES)
        for rule in rules if isinstance(rules, list) else ():
            yield from (rule[name] for name in ("rule", "messageExpression") if isinstance(rule.get(name), str))
        for value in schema.values():
            yield from rules_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from rules_of(value)


def has_rules(schema: Any) -> bool:
    if isinstance(schema, dict):
        return RULES in schema or any(has_rules(value) for value in schema.values())
    return isinstance(schema, list) and any(map(has_rules, schema))


def violations(schema: JsonObject, new: Any, old: Any, path: str) -> Iterator[Violation]:
    """Violated rules of a value and of what is inside it; `old` is None where there was nothing before."""
    if rules := schema.get(RULES):
        yield from _violations_here(rules, new, old, path)
    if isinstance(new, dict):
        properties = schema.get("properties") or {}
        values = schema.get("additionalProperties")
        for key, inner in new.items():
            part = properties.get(key, values)
            if isinstance(part, dict):
                before = old.get(key) if isinstance(old, dict) else None
                yield from violations(part, inner, before, f"{path}.{key}" if path else key)
    elif isinstance(new, list) and isinstance(schema.get("items"), dict):
        former = _Former(schema, old)
        for index, item in enumerate(new):
            yield from violations(schema["items"], item, former.of(item), f"{path}[{index}]")


class _Former:
    """The former selves of a list's items: only those of map lists have one."""

    def __init__(self, schema: JsonObject, old: Any) -> None:
        self._keys = schema.get("x-kubernetes-list-map-keys") or ()
        self._items: dict[str, Any] = {}
        if self._keys and isinstance(old, list):
            for item in old:
                if isinstance(item, dict):
                    self._items.setdefault(self._mark(item), item)

    def of(self, item: Any) -> Any:
        return self._items.get(self._mark(item)) if self._items and isinstance(item, dict) else None

    def _mark(self, item: JsonObject) -> str:
        return repr([item.get(key) for key in self._keys])


def _violations_here(rules: list[JsonObject], new: Any, old: Any, path: str) -> Iterator[Violation]:
    cel = engine()
    # Converted once for all rules of the value: that takes longer than most rules do.
    alone = cel.Context({"self": new})
    both = None
    for rule in rules:
        is_transition = "oldSelf" in rule["rule"]
        if is_transition and old is None and not rule.get("optionalOldSelf"):
            continue
        if is_transition and both is None:
            both = cel.Context({"self": new, "oldSelf": old})
        yield from _violation(rule, both if is_transition else alone, new, path)


def _violation(rule: JsonObject, variables: Any, new: Any, path: str) -> Iterator[Violation]:
    text = rule["rule"]
    try:
        holds = _program(text).execute(variables) is True
    except Exception as error:
        yield _found(path, new, f"rule evaluation error: {error}: {text}", rule)
        return
    if not holds:
        yield _found(path, new, _message(rule, variables), rule)


def _message(rule: JsonObject, variables: Any) -> str:
    expression = rule.get("messageExpression")
    if expression:
        try:
            found = _program(expression).execute(variables)
        except Exception:
            found = None
        if isinstance(found, str) and found.strip():
            return found
    return str(rule.get("message") or f"failed rule: {' '.join(rule['rule'].split())}")


def _found(path: str, value: Any, text: str, rule: JsonObject) -> Violation:
    place = f"{path}{rule['fieldPath']}" if rule.get("fieldPath") else path
    is_omitted = isinstance(value, dict | list)
    return Violation(place.removeprefix("."), text, rule.get("reason", ""), None if is_omitted else value, is_omitted)
