"""What the Go types of built-in kinds do that their published schemas leave out, from `go_fields.txt`."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple


class GoField(NamedTuple):
    drops_zero: bool = False
    """Left out of what is written if it has its type's zero value."""
    writes_zero: bool = False
    """Its type's zero value is written where nobody has set it."""
    writes_null: bool = False
    type: str = ""
    """As Go's decoder names it, unless the schema's type says it."""
    embedded: tuple[str, ...] = ()
    """The inner structs that the field is a part of, which JSON shows in place of themselves."""


UNREMARKABLE: Final = GoField()


@cache
def go_fields(definition: str) -> Mapping[str, GoField]:
    """Those of a definition of the published schemas; of one that is no Go type there are none."""
    text = _table().get(".".join(definition.rsplit(".", 3)[-3:]), "")
    return dict(map(_field, text.split()))


@cache
def _table() -> dict[str, str]:
    text = files(__package__).joinpath("go_fields.txt").read_text(encoding="utf-8")
    return dict(line.split(" = ", 1) for line in text.splitlines() if not line.startswith("#"))


def _field(text: str) -> tuple[str, GoField]:
    name, flags, kind, embedded = (*text.split(":"), "", "", "")[:4]
    return name, GoField("-" in flags, "+" in flags, "0" in flags, kind, tuple(filter(None, embedded.split("."))))
