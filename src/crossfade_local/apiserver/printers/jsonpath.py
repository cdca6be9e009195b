"""The part of Kubernetes' JSONPath that column definitions use: fields, indexes, slices, `[*]`, filters, `..`.

Missing fields give no result, never an error.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, Final

Step = Callable[[Any], Iterator[Any]]

_FIELD: Final = re.compile(r"\.((?:[^.\[\]\\]|\\.)+)")
_SLICE: Final = re.compile(r"(-?\d*):(-?\d*)(?::(\d+))?$")
_FILTER: Final = re.compile(r"\?\((.*)\)$", re.DOTALL)
_COMPARISON: Final = re.compile(r"(.*?)\s*(==|!=|>=|<=|>|<)\s*(.*)$", re.DOTALL)


class JsonPathError(ValueError):
    """A path that can't be understood."""


def find(path: str, value: Any) -> list[Any]:
    """All values a path such as `.status.conditions[?(@.type=="Ready")].status` leads to. Raises JsonPathError."""
    found = [value]
    for step in _steps(path):
        found = list(chain.from_iterable(step(item) for item in found))
    return found


@lru_cache(maxsize=512)
def _steps(path: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    rest = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if rest and rest[0] not in ".[":
        rest = "." + rest
    while rest and rest != ".":
        if rest.startswith(".."):
            steps.append(_everything)
            rest = rest[1:] if rest[2:3] != "[" else rest[2:]
        elif rest.startswith("["):
            end = _closing(rest)
            steps.append(_bracket(rest[1:end]))
            rest = rest[end + 1 :]
        else:
            match = _FIELD.match(rest)
            if not match:
                raise JsonPathError(f"unrecognized path {path!r}")
            steps.append(_wildcard if match[1] == "*" else _field(re.sub(r"\\(.)", r"\1", match[1])))
            rest = rest[match.end() :]
    return tuple(steps)


def _closing(text: str) -> int:
    depth, quote = 0, ""
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
            if not depth:
                return index
    raise JsonPathError("unterminated array")


def _bracket(inner: str) -> Step:
    content = inner.strip()
    if content == "*":
        return _wildcard
    if content[:1] in "'\"" and content[-1:] == content[:1]:
        return _field(content[1:-1])
    if match := _FILTER.match(content):
        return _filter(match[1].strip())
    if match := _SLICE.match(content):
        start, stop = (int(part) if part else None for part in match.groups()[:2])
        return _slice(slice(start, stop, int(match[3]) if match[3] else None))
    try:
        return _index(int(content))
    except ValueError:
        raise JsonPathError(f"invalid array index {content}") from None


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _wildcard(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _everything(value: Any) -> Iterator[Any]:
    yield value
    for child in _wildcard(value):
        yield from _everything(child)


def _index(position: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= position < len(value):
            yield value[position]

    return step


def _slice(part: slice) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[part]

    return step


def _filter(condition: str) -> Step:
    match = _COMPARISON.match(condition)

    def step(value: Any) -> Iterator[Any]:
        for item in value if isinstance(value, list) else ():
            if not match:
                if _operand(condition, item):
                    yield item
                continue
            left, right = _operand(match[1], item), _operand(match[3], item)
            if left and right and _compare(left[0], match[2], right[0]):
                yield item

    return step


def _operand(text: str, item: Any) -> list[Any]:
    text = text.strip()
    if text.startswith("@"):
        return find(text[1:], item)
    if text[:1] in "'\"":
        return [text[1:-1]]
    if text in ("true", "false"):
        return [text == "true"]
    try:
        return [float(text) if "." in text else int(text)]
    except ValueError:
        raise JsonPathError(f"unrecognized operand {text}") from None


def _compare(left: Any, operator: str, right: Any) -> bool:
    try:
        match operator:
            case "==":
                return bool(left == right)
            case "!=":
                return bool(left != right)
            case ">":
                return bool(left > right)
            case "<":
                return bool(left < right)
            case ">=":
                return bool(left >= right)
        return bool(left <= right)
    except TypeError:
        return False
