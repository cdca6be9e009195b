"""Types of CEL, and how they are written."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final, Optional


class Kind(Enum):
    PLAIN = auto()
    """Of one name, without anything inside: `int`, `string`."""
    NULL = auto()
    DYNAMIC = auto()
    ERROR = auto()
    """Of what is wrong already: nothing more is said about it."""
    LIST = auto()
    MAP = auto()
    TYPE = auto()
    OPAQUE = auto()
    OBJECT = auto()
    PARAMETER = auto()
    """Stands for a type that is yet to be found."""


@dataclass(frozen=True, slots=True)
class Type:
    name: str
    kind: Kind = Kind.PLAIN
    inside: "tuple[Type, ...]" = ()
    field_named: Callable[[str], Optional["Type"]] | None = field(default=None, compare=False)
    """The type of a field of an object whose fields are known."""

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.inside))})" if self.inside else self.name


BOOL: Final = Type("bool")
BYTES: Final = Type("bytes")
DOUBLE: Final = Type("double")
DURATION: Final = Type("duration")
DYN: Final = Type("dyn", Kind.DYNAMIC)
ERROR: Final = Type("!error!", Kind.ERROR)
INT: Final = Type("int")
NULL: Final = Type("null", Kind.NULL)
STRING: Final = Type("string")
TIMESTAMP: Final = Type("timestamp")
UINT: Final = Type("uint")
_PLAIN: Final = {one.name: one for one in (BOOL, BYTES, DOUBLE, DURATION, INT, STRING, TIMESTAMP, UINT)}
_CONTAINERS: Final = {"list": Kind.LIST, "map": Kind.MAP, "type": Kind.TYPE, "optional_type": Kind.OPAQUE}
_OPAQUE: Final = frozenset(("net.CIDR", "net.IP"))


def list_of(item: Type) -> Type:
    return Type("list", Kind.LIST, (item,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", Kind.MAP, (key, value))


def type_of(one: Type) -> Type:
    return Type("type", Kind.TYPE, (one,))


def optional_of(one: Type) -> Type:
    return Type("optional_type", Kind.OPAQUE, (one,))


def parameter(name: str) -> Type:
    return Type(name, Kind.PARAMETER)


def without_optional(one: Type) -> tuple[Type, bool]:
    """What is inside something optional, and whether it was that."""
    return (one.inside[0], True) if one.name == "optional_type" and one.inside else (one, False)


def is_open(one: Type) -> bool:
    """Whether anything may be found where it is."""
    return one.kind in (Kind.DYNAMIC, Kind.ERROR)


def takes_null(one: Type) -> bool:
    return one.kind in (Kind.NULL, Kind.OPAQUE, Kind.OBJECT) or one in (DURATION, TIMESTAMP)


def read(text: str) -> Type:
    """A type as `str` writes it; a single capital letter is a parameter."""
    name, bracket, rest = text.partition("(")
    if bracket:
        return Type(name, _CONTAINERS[name], tuple(map(read, split(rest.removesuffix(")")))))
    if name in _PLAIN:
        return _PLAIN[name]
    if name == "dyn":
        return DYN
    if len(name) == 1 and name.isupper():
        return parameter(name)
    return Type(name, Kind.OPAQUE if name in _OPAQUE else Kind.OBJECT)


def split(text: str) -> list[str]:
    """What stands between the commas outside of brackets."""
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and not depth:
            parts.append(text[start:place].strip())
            start = place + 1
    last = text[start:].strip()
    return [*parts, last] if last else parts
