"""Rules in CEL (`x-kubernetes-validations`) of custom resources, and what conditions of webhooks share with them.

Evaluated by the Rust engine behind `common-expression-language`.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.cel_engine import engine
from crossfade_local.apiserver.crd.compilation import BrokenRuleError, compiled

# The engine logs each failure of a function, which its client is told anyway.
logging.getLogger("cel").setLevel(logging.ERROR)

RULES: Final = "x-kubernetes-validations"
# What goes through a list or a map for each of its items, or makes more of a value than there was; and patterns that
# count, which take as many states for each character of a text.
_GROWING: Final = re.compile(
    r"\b(?:all|distinct|exists|exists_one|existsOne|filter|findAll|flatten|format|join|map|optFlatMap|optMap|range"
    r"|replace|sets|sort|sortBy|split|transformList|transformMap|transformMapEntry)\s*[.(]|\{\d+,?\d*\}"
)


_FUNCTION_FAILED: Final = re.compile(
    r"Function '.*' error: Python function call failed: \w+: (.*)\. Check function arguments and their types\.",
    re.DOTALL,
)
NO_OVERLOAD: Final = "no such overload"
_WORDS: Final = {
    re.compile("No such overload|Unsupported operation"): NO_OVERLOAD,
    re.compile("division by zero"): "division by zero",
    re.compile("modulo by zero"): "modulus by zero",
    re.compile("Arithmetic overflow"): "integer overflow",
    re.compile(r"Function '\w+' error: ((?:unsigned )?integer overflow)"): r"\1",
}
"""Of Kubernetes' engine, for those with which this one's begin."""
_CONVERSIONS: Final = {
    **{name: name for name in ("bool", "double", "int", "uint")},
    "duration": "google.protobuf.Duration",
    "timestamp": "google.protobuf.Timestamp",
}
_NOT_CONVERTED: Final = re.compile(rf"Function '({'|'.join(_CONVERSIONS)})' error: ")


class Violation(NamedTuple):
    """`shown` is the value that the message quotes, unless `is_omitted`."""

    place: str
    text: str
    reason: str
    shown: Any
    is_omitted: bool


def iterates(rule: str) -> bool:
    """Whether it may go through a list or a map; else its time grows with its own length and the value's only."""
    return _GROWING.search(rule) is not None


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
    functions = _functions(rules)
    alone = cel.Context({"self": new}, functions)
    both = optional = None
    for rule in rules:
        if "oldSelf" not in rule["rule"]:
            yield from _violation(rule, alone, new, path)
        elif rule.get("optionalOldSelf"):
            former = cel.OptionalValue.none() if old is None else cel.OptionalValue.of(old)
            optional = optional or cel.Context({"self": new, "oldSelf": former}, functions)
            yield from _violation(rule, optional, new, path)
        elif old is not None:
            both = both or cel.Context({"self": new, "oldSelf": old}, functions)
            yield from _violation(rule, both, new, path)


def _functions(rules: list[JsonObject]) -> dict[str, Any]:
    """What the rules call. One that was stored although it cannot be compiled calls nothing."""
    found: dict[str, Any] = {}
    for text in rules_of({RULES: rules}):
        with suppress(BrokenRuleError):
            found |= compiled(text).functions
    return found


def _violation(rule: JsonObject, variables: Any, new: Any, path: str) -> Iterator[Violation]:
    text = rule["rule"]
    try:
        holds = compiled(text).program.execute(variables) is True
    except Exception as error:
        yield _found(path, new, f"rule evaluation error: {said(error)}: {text}", rule)
        return
    if not holds:
        yield _found(path, new, _message(rule, variables), rule)


def said(error: Exception) -> str:
    """In the words of Kubernetes' engine, without what this one says around a function's own."""
    if isinstance(error, KeyError):
        return f"no such key: {error.args[0]}"
    text = str(error)
    for pattern, words in _WORDS.items():
        if begun := pattern.match(text):
            return begun.expand(words)
    if found := _NOT_CONVERTED.match(text):
        return f"type conversion error from 'string' to '{_CONVERSIONS[found[1]]}'"
    found = _FUNCTION_FAILED.fullmatch(text)
    return found[1] if found else text


def _message(rule: JsonObject, variables: Any) -> str:
    expression = rule.get("messageExpression")
    if expression:
        try:
            found = compiled(expression).program.execute(variables)
        except Exception:
            found = None
        if isinstance(found, str) and found.strip():
            return found
    return str(rule.get("message") or f"failed rule: {' '.join(rule['rule'].split())}")


def _found(path: str, value: Any, text: str, rule: JsonObject) -> Violation:
    place = f"{path}{rule['fieldPath']}" if rule.get("fieldPath") else path
    is_omitted = isinstance(value, dict | list)
    return Violation(place.removeprefix("."), text, rule.get("reason", ""), None if is_omitted else value, is_omitted)
