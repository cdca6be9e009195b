"""Makes `enumerations.txt`: which values fields of the built-in kinds may have, for `kubectl explain`.

Source: types that are marked as enumerations in Kubernetes' Go modules, and their constants. The published schemas,
which all else is made from, leave them out. Only who changes the version needs it: `make enumerations`.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from generate.kubernetes_types import GROUP_VERSIONS
from generate.kubernetes_types import RELEASE as SERVED
from generate.wire_fields import (
    FIELD,
    IMPORT,
    JSON_TAG,
    PACKAGES,
    RELEASE,
    STRUCT,
    folder_of,
    last_word,
    prefix_of,
    sources,
)

OUTPUT: Final = Path(__file__).parents[1] / "src/crossfade_local/apiserver/discovery/enumerations.txt"
_MODULES: Final = SERVED.replace("v1.", "v0.")
_HEADER: Final = f"""\
# Values that fields may have; made by `make enumerations` from Kubernetes' Go modules {_MODULES}.
# definition field enumeration           A [] behind the field: it is that of the items of a list.
# enumeration "value" what it stands for
"""
_ENUMERATION: Final = re.compile(r"^// \+enum$(?:\n//.*)*\ntype (\w+) string$", re.MULTILINE)
_CONSTANT: Final = re.compile(
    r'((?:^\t*//.*\n)*)^(?:const |\t)(\w+) +(\w+) *= *"([^"]*)"', re.MULTILINE
)  # comment, name, type, value
_CONVERTED: Final = re.compile(r'((?:^\t*//.*\n)*)^\t(\w+) *= *(\w+)\("([^"]*)"\)$', re.MULTILINE)
_COMMENT: Final = re.compile(r"^\s*//.*\n", re.MULTILINE)
_OTHER_PREFIXES: Final = {
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis.",
    "meta": "io.k8s.apimachinery.pkg.apis.",
}


class _Package(NamedTuple):
    text: str
    values: dict[str, dict[str, str]]
    """Of each enumeration, by the name of its type, and what they stand for."""


def main() -> None:
    packages = {
        prefix: _read(folder_of(module.replace(RELEASE, _MODULES)) / folder)
        for prefix, module, folder in PACKAGES
        if _is_served(prefix)
    }
    fields = list(_fields_of(packages))
    lines = [f"{_definition(prefix)}.{struct} {field} {enumeration}" for prefix, struct, field, enumeration in fields]
    lines += _values(packages, {enumeration for *_, enumeration in fields})
    OUTPUT.write_text(_HEADER + "\n".join(sorted(lines)) + "\n", encoding="utf-8")


def _is_served(prefix: str) -> bool:
    name, _, version = prefix.partition(".")
    known = {(group.partition(".")[0] or "core", version) for group, version in GROUP_VERSIONS}
    return (name, version) in known or prefix == "meta.v1"


def _read(folder: Path) -> _Package:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(sources(folder)))
    values: dict[str, dict[str, str]] = {name: {} for name in _ENUMERATION.findall(text)}
    for comment, name, kind, value in (*_CONSTANT.findall(text), *_CONVERTED.findall(text)):
        if kind in values:
            values[kind][value] = _meaning(name, comment)
    return _Package(_COMMENT.sub("", text), values)


def _meaning(name: str, comment: str) -> str:
    """Comments in Go begin with the name of what they are about, which people do not know."""
    words = " ".join(line.strip().removeprefix("//") for line in comment.splitlines()).split()
    return " ".join(words).removeprefix(name).strip()


def _values(packages: dict[str, _Package], wanted: set[str]) -> Iterator[str]:
    for prefix, package in packages.items():
        for name, values in package.values.items():
            if (enumeration := f"{prefix}.{name}") in wanted:
                yield from (f"{enumeration} {json.dumps(value)} {text}".rstrip() for value, text in values.items())


def _fields_of(packages: dict[str, _Package]) -> Iterator[tuple[str, str, str, str]]:
    """Prefix, struct, field and enumeration."""
    for prefix, package in packages.items():
        imports = {found[0] or last_word(found[1]): prefix_of(found[1]) for found in IMPORT.findall(package.text)}
        structs = {struct[1]: struct[2] or "" for struct in STRUCT.finditer(package.text)}
        for struct in structs:
            for json_name, kind in _fields(structs, struct):
                alias, _, name = kind.removeprefix("[]").rpartition(".")
                place = imports.get(alias, "") if alias else prefix
                if place in packages and packages[place].values.get(name):
                    yield prefix, struct, json_name + ("[]" if kind.startswith("[]") else ""), f"{place}.{name}"


def _fields(structs: dict[str, str], struct: str) -> Iterator[tuple[str, str]]:
    """JSON name and type; those of structs that JSON shows in place of themselves too."""
    for field in FIELD.finditer(structs.get(struct, "")):
        kind, named = field["type"].removeprefix("*"), JSON_TAG.search(field["tags"])
        if named and named[1]:
            yield named[1], kind
        elif named:
            yield from _fields(structs, kind)


def _definition(prefix: str) -> str:
    return _OTHER_PREFIXES.get(prefix.partition(".")[0], "io.k8s.api.") + prefix


if __name__ == "__main__":
    main()
