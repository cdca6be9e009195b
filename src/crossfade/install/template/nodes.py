"""What may stand in a manifest in place of a value. Dicts, lists, texts, numbers and booleans stand for themselves.

Truth is Helm's, which is Python's: false, 0, "", null, {} and [] are false.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct


class Value(Struct, frozen=True):
    """`.Values.<path>`; every path on the way exists, since the chart's defaults name it."""

    path: str


class Given(Struct, frozen=True):
    """As Value, and the field is left out where it is empty. In a list: its items. `but` is a key that is dropped."""

    path: str
    but: str = ""


class Number(Struct, frozen=True):
    """A number of the values within a text: Helm has those of files as floats, and shows a million as 1e+06."""

    path: str


class Unlisted(Struct, frozen=True):
    """A value that the chart has no default for, and what it is then."""

    path: str
    default: Any = False


class Item(Struct, frozen=True):
    """A field of what Each or EachText is at, empty text where it is absent; without a name what it is at itself."""

    field: str = ""


class Release(Struct, frozen=True):
    field: Literal["Name", "Namespace"]


class AppVersion(Struct, frozen=True):
    """The version of the images."""


class Text(Struct, frozen=True):
    """All parts in a row."""

    parts: tuple[Any, ...]


class Joined(Struct, frozen=True):
    """The parts that are not empty."""

    separator: str
    parts: tuple[Any, ...]


class Words(Struct, frozen=True):
    """The texts of a list in one, with blanks between them."""

    items: Value | Item


class FirstOf(Struct, frozen=True):
    """The first that is not empty."""

    choices: tuple[Any, ...]


class Named(Struct, frozen=True):
    """A text that the chart gives a name; `body` may be anything with one text as its result."""

    name: str
    body: Any


class Absent(Struct, frozen=True):
    """Its field is left out."""


ABSENT: Final = Absent()


class When(Struct, frozen=True):
    """In a list a tuple stands for several items."""

    condition: Any
    then: Any
    otherwise: Any = ABSENT


class Not(Struct, frozen=True):
    condition: Any


class All(Struct, frozen=True):
    conditions: tuple[Any, ...]


class AnyOf(Struct, frozen=True):
    conditions: tuple[Any, ...]


class Is(Struct, frozen=True):
    node: Any
    text: str


class Sum(Struct, frozen=True):
    parts: tuple[Any, ...]


class Largest(Struct, frozen=True):
    parts: tuple[Any, ...]


class HasApi(Struct, frozen=True):
    """Whether the cluster serves `group/version/Kind`."""

    api: str


class Merged(Struct, frozen=True):
    """Fixed entries, and those of a value."""

    fixed: dict[str, Any]
    more: tuple[Given, ...]


class FileText(Struct, frozen=True):
    """The text of a file of the chart, which ends with a line. It may hold what a template would take for actions."""

    path: str
    read: Callable[[], str]


class FileItems(Struct, frozen=True):
    """In a list: the items that a file of the chart holds, as FileText."""

    path: str
    read: Callable[[], list[Any]]


class Each(Struct, frozen=True):
    """In a list: one item for each of a value's, made of `item` with its fields."""

    items: Value
    item: Any


class EachText(Struct, frozen=True):
    """One text for each item of a value, with `, ` between them."""

    items: Value
    text: Any


class More(Struct, frozen=True):
    """Variables of a container out of a value's entries, `<prefix><NAME>`: of them `only`, or all but `without`."""

    value: Value
    prefix: str = ""
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


class Environment(Struct, frozen=True):
    """A container's variables by name: `more` goes before `fixed`, its later ones before its earlier ones.

    An entry of a value that is an object (`valueFrom: …`) is taken as it is. `after` are entries of the list.
    """

    fixed: dict[str, Any]
    more: tuple[More, ...] = ()
    after: tuple[Any, ...] = ()


def text(*parts: Any) -> Text:
    return Text(parts)


def first_of(*choices: Any) -> FirstOf:
    return FirstOf(choices)


RELEASE: Final = Release("Name")
NAMESPACE: Final = Release("Namespace")
