"""`values.yaml`: every value with its default, and above it what it is."""

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Any, Final

from crossfade.install.template.values import ValueSpec, ValueTable
from generate.charts.templates import plain

_WIDTH: Final = 120


def values_file(table: ValueTable) -> str:
    return "".join(f"{line}\n" for line in _level(_tree(table), 0))


def _tree(table: ValueTable) -> dict[str, Any]:
    """Specs below the names of their paths, in the order of the table."""
    root: dict[str, Any] = {}
    for spec in table.specs:
        *way, last = spec.path.split(".")
        level = root
        for name in way:
            level = level.setdefault(name, {})
        level[last] = spec
    return root


def _level(tree: dict[str, Any], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for name, entry in tree.items():
        if isinstance(entry, ValueSpec):
            yield from (f"{pad}# {line}" for line in wrap(entry.about, _WIDTH - len(pad) - 2))
            yield from _field(name, entry.default, depth)
        else:
            yield f"{pad}{name}:"
            yield from _level(entry, depth + 1)


def _field(name: str, default: Any, depth: int) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(default, dict) and default:
        yield f"{pad}{name}:"
        for key, value in default.items():
            yield from _field(key, value, depth + 1)
    elif isinstance(default, str):
        yield f"{pad}{name}: {plain(default) if default else json.dumps(default)}"
    else:
        yield f"{pad}{name}:" if default is None else f"{pad}{name}: {json.dumps(default)}"
