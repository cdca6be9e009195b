"""Makes `go_fields.txt`: what the Go types of built-in kinds do that their published schemas leave out.

Source: the struct tags of Kubernetes' Go modules. Go fetches the modules; only who changes the version needs it:
`make go-fields`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from generate.wire_fields import FIELD, JSON_TAG, PACKAGES, RELEASE, Package, folder_of, read
from generate.wire_fields import OUTPUT as WIRE_FIELDS

OUTPUT: Final = Path(__file__).parents[1] / "src/crossfade_local/apiserver/types/go_fields.txt"
_HEADER: Final = f"""\
# Fields of Kubernetes' Go types; made by `make go-fields` from Kubernetes' Go modules {RELEASE}.
# type = field:flags:Go type:embedded ...  Fields are left out of which the schema says it all.
# Flags: - a zero value is left out when the object is written; where nobody has set the field, + a zero value is
# written, 0 a null.
# Go type: where it has another name than the schema's type. Embedded: the inner struct that the field is a part of.
"""
_PLAIN: Final = frozenset({"string", "bool", "int32", "int64", "float64"})
_SCALARS: Final = frozenset({*_PLAIN, "int", "uint32", "uint64"})


class _Type(NamedTuple):
    text: str
    """As Go's decoder names it."""
    is_struct: bool
    says_more: bool
    """Than the schema's type."""


class Types:
    """The Go types of all packages, and how the fields of each stand in the table."""

    def __init__(self, packages: dict[str, Package]) -> None:
        self._packages = packages

    def line(self, name: str) -> str | None:
        """None for a type that the schema tells everything of, and for one that is no struct."""
        prefix, _, short = name.rpartition(".")
        package = self._packages[prefix]
        fields = list(self._fields(prefix, package.structs[short])) if short in package.structs else []
        return f"{name} = {' '.join(fields)}" if fields else None

    def _fields(self, prefix: str, body: str, embedded: str = "") -> Iterator[str]:
        for match in FIELD.finditer(body):
            tag = JSON_TAG.search(match["tags"])
            if tag is None or tag[1] == "-":
                continue
            kind, options = match["type"], tag[2] or ""
            if not tag[1]:
                owner, short = self._place(kind, prefix)
                if short != "TypeMeta":
                    yield from self._fields(owner, self._packages[owner].structs[short], f"{embedded}{short}.")
                continue
            found = self._type(kind.removeprefix("*"), prefix)
            flags = _flags(kind, options, is_struct=found.is_struct)
            parts = (tag[1], flags, found.text if found.says_more else "", embedded.rstrip("."))
            if any(parts[1:]):
                yield ":".join(parts).rstrip(":")

    def _type(self, kind: str, prefix: str) -> _Type:
        if kind == "[]byte":
            return _Type("[]uint8", is_struct=False, says_more=True)
        if kind in _SCALARS:
            return _Type(kind, is_struct=False, says_more=kind not in _PLAIN)
        for start in ("[]", "map[string]"):
            if kind.startswith(start):
                inner = self._type(kind.removeprefix(start), prefix)
                return _Type(start + inner.text, is_struct=False, says_more=inner.says_more)
        owner, name = self._place(kind.removeprefix("*"), prefix)
        text = f"{'*' if kind.startswith('*') else ''}{owner.rpartition('.')[2]}.{name}"
        package = self._packages.get(owner)
        is_struct = name in package.structs if package else name != "UID"
        return _Type(text, is_struct=is_struct, says_more=not is_struct or kind.startswith("*"))

    def _place(self, kind: str, prefix: str) -> tuple[str, str]:
        alias, _, name = kind.rpartition(".")
        if alias and re.match(r"map\[|\[\]", alias):
            raise ValueError(f"no name of a type: {kind}")
        return (self._packages[prefix].imports[alias] if alias else prefix), name


def _flags(kind: str, options: str, *, is_struct: bool) -> str:
    if "omitzero" in options:
        return "-" if not kind.startswith("*") else ""
    if kind.startswith("*"):
        return "" if "omitempty" in options else "0"
    if is_struct or "omitempty" not in options:
        return "+"
    return "-"


def main() -> None:
    types = Types({prefix: read(folder_of(module) / folder) for prefix, module, folder in PACKAGES})
    names = [line.partition(" = ")[0] for line in WIRE_FIELDS.read_text(encoding="utf-8").splitlines()]
    lines = [types.line(name) for name in names if not name.startswith("#")]
    OUTPUT.write_text(_HEADER + "\n".join(line for line in lines if line) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
