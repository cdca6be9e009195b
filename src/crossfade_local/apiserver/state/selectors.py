"""Label and field selectors: parsing with Kubernetes' error texts, and matching.

Parsing follows the grammar of the `labelSelector` and `fieldSelector` query parameters; which fields a kind offers for
selection is a table here.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.state.field_selectors import FieldSelector, SelectorError
from crossfade_local.apiserver.validation import names
from crossfade_local.apiserver.values.gotext import quoted
from crossfade_local.values import fields

__all__ = [
    "FieldSelector",
    "LabelSelector",
    "Requirement",
    "SelectorError",
    "selector_from_labels",
    "selector_from_struct",
]

_KEYWORDS: Final = frozenset({")", ",", "!", "==", "=", ">", "in", "<", "!=", "notin", "("})
_OPERATORS: Final = {"in": "in", "=": "=", "==": "==", ">": "gt", "<": "lt", "notin": "notin", "!=": "!="}
_OPERATOR_NAMES: Final = "in, notin, =, ==, !=, gt, lt"
_SPECIAL: Final = frozenset("=!(),><")
_SPACE: Final = frozenset(" \t\r\n")


class Requirement(NamedTuple):
    """One term of a label selector; `operator` is one of `= == != in notin exists ! gt lt`."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "!=" | "notin":
                return value is None or value not in self.values
            case "gt" | "lt":
                return value is not None and _compare(value, self.values[0], self.operator)
        return value is not None and value in self.values

    def __str__(self) -> str:
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return "!" + self.key
            case "in" | "notin":
                return f"{self.key} {self.operator} ({','.join(sorted(self.values))})"
        sign = {"gt": ">", "lt": "<"}.get(self.operator, self.operator)
        return f"{self.key}{sign}{','.join(self.values)}"


class LabelSelector(NamedTuple):
    """All requirements must hold; without any it matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "LabelSelector":
        """Raises SelectorError."""
        return cls(tuple(sorted(_Parser(text).requirements(), key=lambda item: item.key)))

    def matches(self, obj: JsonObject) -> bool:
        return self.matches_labels(fields.mapping(obj, "metadata", "labels"))

    def matches_labels(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def selector_from_struct(selector: Mapping[str, Any] | None) -> LabelSelector | None:
    """The selector of a `{matchLabels, matchExpressions}` field; None (no such field) matches nothing."""
    if selector is None:
        return None
    found = [Requirement(key, "=", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    for expression in selector.get("matchExpressions") or ():
        operator = operators.get(expression.get("operator", ""))
        if operator is None:
            raise SelectorError(f"{quoted(expression.get('operator', ''))} is not a valid label selector operator")
        found.append(Requirement(expression.get("key", ""), operator, tuple(expression.get("values") or ())))
    return LabelSelector(tuple(sorted(found, key=lambda item: item.key)))


def selector_from_labels(labels: Mapping[str, str]) -> LabelSelector:
    return LabelSelector(tuple(Requirement(key, "=", (labels[key],)) for key in sorted(labels)))


def _compare(left: str, right: str, operator: str) -> bool:
    try:
        return int(left) > int(right) if operator == "gt" else int(left) < int(right)
    except ValueError:
        return False


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    """Pairs (kind, literal); the kind is the keyword itself, `identifier` or `end`."""
    position = 0
    while position < len(text):
        character = text[position]
        if character in _SPACE:
            position += 1
        elif character in _SPECIAL:
            literal = character
            if text[position : position + 2] in _KEYWORDS:
                literal = text[position : position + 2]
            position += len(literal)
            yield literal, literal
        else:
            start = position
            while position < len(text) and text[position] not in _SPECIAL and text[position] not in _SPACE:
                position += 1
            literal = text[start:position]
            yield (literal if literal in _KEYWORDS else "identifier"), literal
    yield "end", ""


class _Parser:
    """Recursive descent over the tokens of one selector."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._position = 0

    def requirements(self) -> Iterator[Requirement]:
        while True:
            kind, literal = self._look()
            if kind == "end":
                return
            if kind not in ("identifier", "!"):
                raise SelectorError(f"found '{literal}', expected: !, identifier, or 'end of string'")
            try:
                yield self._requirement()
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            kind, literal = self._next()
            if kind == "end":
                return
            if kind != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            kind, literal = self._look()
            if kind not in ("identifier", "!"):
                raise SelectorError(f"found '{literal}', expected: identifier after ','")

    def _look(self) -> tuple[str, str]:
        kind, literal = self._tokens[min(self._position, len(self._tokens) - 1)]
        return ("identifier" if kind in ("in", "notin") else kind), literal

    def _next(self, *, keywords: bool = False) -> tuple[str, str]:
        kind, literal = self._tokens[min(self._position, len(self._tokens) - 1)]
        self._position += 1
        return ("identifier" if kind in ("in", "notin") and not keywords else kind), literal

    def _requirement(self) -> Requirement:
        negated = False
        kind, key = self._next()
        if kind == "!":
            negated = True
            kind, key = self._next()
        if kind != "identifier":
            raise SelectorError(f"found '{key}', expected: identifier")
        if problems := names.qualified_name(key):
            raise SelectorError(f"<nil>: Invalid value: {quoted(key)}: {'; '.join(problems)}")
        if negated:
            return Requirement(key, "!")
        if self._look()[0] in ("end", ","):
            return Requirement(key, "exists")
        return self._comparison(key)

    def _comparison(self, key: str) -> Requirement:
        kind, literal = self._next(keywords=True)
        operator = _OPERATORS.get(kind)
        if operator is None:
            raise SelectorError(f"found '{literal}', expected: {_OPERATOR_NAMES}")
        values = tuple(sorted(self._set())) if operator in ("in", "notin") else (self._exact(),)
        _check_values(key, operator, values)
        return Requirement(key, operator, values)

    def _exact(self) -> str:
        if self._look()[0] in ("end", ","):
            return ""
        kind, literal = self._next()
        if kind != "identifier":
            raise SelectorError(f"found '{literal}', expected: identifier")
        return literal

    def _set(self) -> set[str]:
        kind, literal = self._next()
        if kind != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        kind, literal = self._look()
        if kind == ")":
            self._next()
            return {""}
        if kind not in ("identifier", ","):
            raise SelectorError(f"found '{literal}', expected: ',', ')' or identifier")
        values = self._identifiers()
        self._next()
        return values

    def _identifiers(self) -> set[str]:
        values: set[str] = set()
        while True:
            kind, literal = self._next()
            following, next_literal = self._look()
            if kind == "identifier":
                values.add(literal)
                if following == ")":
                    return values
                if following != ",":
                    raise SelectorError(f"found '{next_literal}', expected: ',' or ')'")
            elif kind == ",":
                if not values or following in (")", ","):
                    values.add("")
                if following == ")":
                    return values
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")


def _check_values(key: str, operator: str, values: Iterable[str]) -> None:
    problems = []
    for index, value in enumerate(values):
        if operator in ("gt", "lt") and not value.lstrip("+-").isdigit():
            text = "for 'Gt', 'Lt' operators, the value must be an integer"
            problems.append(f"values[{index}]: Invalid value: {quoted(value)}: {text}")
        if found := names.label_value(value):
            problems.append(f"values[{index}][{key}]: Invalid value: {quoted(value)}: {'; '.join(found)}")
    if problems:
        raise SelectorError(problems[0] if len(problems) == 1 else "[" + ", ".join(problems) + "]")
