"""The part of Kubernetes' JSONPath that column definitions use: fields, indexes, slices, `[*]`, filters, `..`.

Missing fields give no result, never an error. A path of twenty characters can lead through a value in more ways than
could ever be gone: who follows one says how many values are looked at, at most.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

LONGEST: Final = 2_048
"""Characters of a path."""
_END: Final = object()
_FIELD: Final = re.compile(r"\.((?:[^.\[\]\\]|\\.)+)")
_SLICE: Final = re.compile(r"(-?\d*):(-?\d*)(?::(\d+))?$")
_FILTER: Final = re.compile(r"\?\((.*)\)$", re.DOTALL)
_COMPARISON: Final = re.compile(r"(.*?)\s*(==|!=|>=|<=|>|<)\s*(.*)$", re.DOTALL)


class JsonPathError(ValueError):
    """A path that can't be understood, or leads through too many values."""


class Looks:
    """How many values may be looked at yet."""

    def __init__(self, left: int) -> None:
        self.left = left

    def spend(self) -> None:
        """Raises JsonPathError."""
        self.left -= 1
        if self.left < 0:
            raise JsonPathError("leads through too many values")


Step = Callable[[Any, Looks], Iterator[Any]]


def find(path: str, value: Any, looks: Looks) -> Iterator[Any]:
    """The values a path such as `.status.conditions[?(@.type=="Ready")].status` leads to, each found when it is wanted.

    Raises JsonPathError.
    """
    steps = parsed(path)
    levels = [iter((value,))]
    while levels:
        one = next(levels[-1], _END)
        if one is _END:
            levels.pop()
            continue
        looks.spend()
        if len(levels) > len(steps):
            yield one
        else:
            levels.append(steps[len(levels) - 1](one, looks))


@lru_cache(maxsize=512)
def parsed(path: str) -> tuple[Step, ...]:
    """Raises JsonPathError."""
    if len(path) > LONGEST:
        raise JsonPathError(f"may not be more than {LONGEST} characters long")
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
    def step(value: Any, _: Looks) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _wildcard(value: Any, _: Looks) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _everything(value: Any, looks: Looks) -> Iterator[Any]:
    yield value
    for child in _wildcard(value, looks):
        yield from _everything(child, looks)


def _index(position: int) -> Step:
    def step(value: Any, _: Looks) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= position < len(value):
            yield value[position]

    return step


def _slice(part: slice) -> Step:
    def step(value: Any, _: Looks) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[part]

    return step


def _filter(condition: str) -> Step:
    match = _COMPARISON.match(condition)

    def step(value: Any, looks: Looks) -> Iterator[Any]:
        for item in value if isinstance(value, list) else ():
            looks.spend()
            left = _operand(match[1] if match else condition, item, looks)
            if left is _END:
                continue
            if not match or _compare(left, match[2], _operand(match[3], item, looks)):
                yield item

    return step


def _operand(text: str, item: Any, looks: Looks) -> Any:
    """The first value if it is a path, `_END` where that leads to none."""
    text = text.strip()
    if text.startswith("@"):
        return next(find(text[1:], item, looks), _END)
    if text[:1] in "'\"":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        raise JsonPathError(f"unrecognized operand {text}") from None


def _compare(left: Any, operator: str, right: Any) -> bool:
    if right is _END:
        return False
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
