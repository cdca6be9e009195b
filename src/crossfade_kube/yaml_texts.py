"""YAML texts of strangers: values or a YAMLError, whatever stands in them.

libyaml's loader goes down into nested values by recursion in C, so a text with enough brackets would end the process.
It makes values that hold themselves, and with aliases a few lines stand for a billion values. And it lets through
whatever Python says of numbers and dates that cannot be made.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

MOST_DEPTH: Final = 500
MOST_REPEATED: Final = 100_000
"""Values that a text may have by way of aliases."""
Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TooMuchYamlError(yaml.MarkedYAMLError):
    """Valid, but more than anybody may ask for; `problem` quotes nothing of the text."""


def load_all(text: str | bytes, loader: Any = Loader) -> Iterator[Any]:
    """Every document; `loader` is a safe one. Raises yaml.YAMLError."""
    check(text, loader)
    try:
        yield from yaml.load_all(text, loader)
    except yaml.YAMLError:
        raise
    except Exception as error:
        raise yaml.YAMLError(f"a value cannot be made: {type(error).__name__}") from error


def load(text: str | bytes, loader: Any = Loader) -> Any:
    """The only document, None if there is none. Raises yaml.YAMLError."""
    documents = list(load_all(text, loader))
    if len(documents) > 1:
        raise yaml.YAMLError("there are several documents where one belongs")
    return documents[0] if documents else None


def check(text: str | bytes, loader: Any = Loader) -> None:
    """Raises TooMuchYamlError, and YAMLError for wrong syntax that stands in the way of knowing.

    Events come without recursion, and before anything is made of them.
    """
    _measure(text, loader, with_aliases=True)


def check_depth(text: str | bytes, loader: Any = Loader) -> None:
    """As `check`, for who looks at aliases themselves."""
    _measure(text, loader, with_aliases=False)


def _measure(text: str | bytes, loader: Any, *, with_aliases: bool) -> None:
    if not _can_be_too_much(text, with_aliases=with_aliases):
        return
    measuring = _Measuring()
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.AliasEvent) and not with_aliases:
            continue
        problem = measuring.problem(event)
        if problem:
            mark: Any = event.start_mark
            raise TooMuchYamlError(problem=problem, problem_mark=mark)


def _can_be_too_much(text: str | bytes, *, with_aliases: bool) -> bool:
    """Nearly no text can: one of these characters begins each level. So most texts are parsed once only."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return (with_aliases and b"*" in raw) or sum(map(raw.count, (b"[", b"{", b":", b"-", b"?"))) > MOST_DEPTH


class _Open(NamedTuple):
    """A list or mapping that has begun, and how many values there were before it."""

    anchor: str | None
    before: int


class _Measuring:
    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._sizes: dict[str, int] = {}
        self._values = 0
        self._repeated = 0

    def problem(self, event: Any) -> str:
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append(_Open(event.anchor, self._values))
            self._values += 1
            return f"values are nested more than {MOST_DEPTH} levels deep" if len(self._open) > MOST_DEPTH else ""
        if isinstance(event, yaml.CollectionEndEvent):
            ended = self._open.pop()
            self._keep(ended.anchor, self._values - ended.before)
        elif isinstance(event, yaml.ScalarEvent):
            self._values += 1
            self._keep(event.anchor, 1)
        elif isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor or "")
        return ""

    def _keep(self, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._sizes[anchor] = size

    def _alias(self, anchor: str) -> str:
        if any(collection.anchor == anchor for collection in self._open):
            return "a value holds itself"
        size = self._sizes.get(anchor, 1)
        self._values += size
        self._repeated += size
        return f"aliases stand for more than {MOST_REPEATED} values" if self._repeated > MOST_REPEATED else ""
