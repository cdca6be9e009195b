"""Manifests with holes as Helm's templates: YAML in blocks, one line for each field."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import singledispatch
from typing import Any, Final

import yaml

from crossfade.install.template.nodes import (
    ABSENT,
    Each,
    EachText,
    Environment,
    FileItems,
    FileText,
    FirstOf,
    Given,
    Item,
    Largest,
    Merged,
    More,
    Named,
    Sum,
    Value,
    When,
)
from crossfade.install.template.values import Schema, ValueTable
from generate.charts.expressions import bare, condition, expression

ENVIRONMENT: Final = "crossfade.environment"
_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_NOT_TEXT: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_STRUCTURED: Final = ("object", "array")


class Writer:
    """Writes one chart's nodes. `named` collects the templates that they name, `files` what they read, by path."""

    def __init__(self, table: ValueTable) -> None:
        self._types = {spec.path: _kind(spec.schema) for spec in table.specs}
        self.named: dict[str, Any] = {}
        self.files: dict[str, str] = {}

    def manifest(self, node: Any) -> str:
        """A whole file of one object, which may be there or not."""
        if isinstance(node, When):
            inner = self.manifest(node.then)
            return f"{{{{- if {self.condition(node.condition)} }}}}\n{inner}{{{{- end }}}}\n"
        return "".join(f"{line}\n" for line in self._mapping(node, 0))

    def _mapping(self, node: Mapping[str, Any], depth: int) -> Iterator[str]:
        for key, value in node.items():
            yield from self._entry(key, value, depth)

    def _entry(self, key: str, node: Any, depth: int) -> Iterator[str]:
        pad, field = "  " * depth, f"{'  ' * depth}{key}:"
        match node:
            case When():
                yield f"{pad}{{{{- if {self.condition(node.condition)} }}}}"
                yield from self._entry(key, node.then, depth)
                if node.otherwise is not ABSENT:
                    yield f"{pad}{{{{- else }}}}"
                    yield from self._entry(key, node.otherwise, depth)
                yield f"{pad}{{{{- end }}}}"
            case Given():
                yield f"{pad}{{{{- with {_taken(node)} }}}}"
                yield from self._whole(field, ".", self._types[node.path], depth)
                yield f"{pad}{{{{- end }}}}"
            case Value() if self._types[node.path] in _STRUCTURED:
                yield from self._whole(field, f".Values.{node.path}", "object", depth)
            case Merged():
                yield field
                yield from self._mapping(node.fixed, depth + 1)
                for more in node.more:
                    yield from self._spliced(more, depth + 1)
            case FileText():
                yield f"{field} |"
                yield self._file(node.path, node.read(), depth + 1)
            case Environment():
                yield field
                yield from self._environment(node, depth + 1)
            case dict() if node:
                yield field
                yield from self._mapping(node, depth + 1)
            case list() if node:
                yield field
                yield from self._items(node, depth + 1)
            case _:
                yield f"{field} {self._scalar(node)}"

    def _whole(self, field: str, operand: str, kind: str, depth: int) -> Iterator[str]:
        if kind in _STRUCTURED:
            yield field
            yield f"{'  ' * (depth + 1)}{{{{- toYaml {operand} | nindent {2 * depth + 2} }}}}"
        else:
            yield f"{field} {{{{ {_encoded(operand, kind)} }}}}"

    def _spliced(self, given: Given, depth: int) -> Iterator[str]:
        pad = "  " * depth
        yield f"{pad}{{{{- with .Values.{given.path} }}}}"
        yield f"{pad}{{{{- toYaml . | nindent {2 * depth} }}}}"
        yield f"{pad}{{{{- end }}}}"

    def _items(self, node: list[Any] | tuple[Any, ...], depth: int) -> Iterator[str]:
        for part in node:
            yield from self._item(part, depth)

    def _item(self, node: Any, depth: int) -> Iterator[str]:
        pad = "  " * depth
        match node:
            case When():
                yield f"{pad}{{{{- if {self.condition(node.condition)} }}}}"
                yield from self._item(node.then, depth)
                if node.otherwise is not ABSENT:
                    yield f"{pad}{{{{- else }}}}"
                    yield from self._item(node.otherwise, depth)
                yield f"{pad}{{{{- end }}}}"
            case tuple():
                yield from self._items(node, depth)
            case Given():
                yield from self._spliced(node, depth)
            case FileItems():
                yield self._file(node.path, as_yaml(node.read()), depth)
            case Each():
                yield f"{pad}{{{{- range .Values.{node.items.path} }}}}"
                yield from self._item(node.item, depth)
                yield f"{pad}{{{{- end }}}}"
            case dict() if node:
                first, *others = self._mapping(node, depth + 1)
                if first.lstrip().startswith("{{"):
                    raise ValueError(f"the first field of an item of a list must always be there: {first.strip()}")
                yield f"{pad}- {first.lstrip()}"
                yield from others
            case _:
                yield f"{pad}- {self._scalar(node)}"

    def _file(self, path: str, content: str, depth: int) -> str:
        if content.startswith((" ", "\n")) or content != f"{content.rstrip()}\n":
            raise ValueError(f"{path} must begin at the margin and end with one line")
        self.files[path] = content
        return f'{"  " * depth}{{{{- .Files.Get "{path}" | trim | nindent {2 * depth} }}}}'

    def _environment(self, node: Environment, depth: int) -> Iterator[str]:
        pad = "  " * depth
        yield f"{pad}{{{{- $variables := dict }}}}"
        for name, value in sorted(node.fixed.items()):
            yield from (f"{pad}{line}" for line in self._set(name, value))
        sources = " ".join(self._source(more) for more in node.more)
        call = f'include "{ENVIRONMENT}" (dict "variables" $variables "more" (list {sources}))'
        yield f"{pad}{{{{- {call.replace(' )', ')')} | nindent {2 * depth} }}}}"
        yield from self._items(node.after, depth)

    def _set(self, name: str, node: Any) -> Iterator[str]:
        if isinstance(node, When) and node.otherwise is ABSENT:
            yield f"{{{{- if {self.condition(node.condition)} }}}}"
            yield from self._set(name, node.then)
            yield "{{- end }}"
        elif isinstance(node, Given):
            yield from self._set(name, When(node, Value(node.path)))
        else:
            yield f'{{{{- $_ := set $variables "{name}" {self._expression(node)} }}}}'

    def _source(self, more: More) -> str:
        only, without = (" ".join(map(json.dumps, names)) for names in (more.only, more.without))
        return (
            f'(dict "value" {expression(more.value)} "prefix" {json.dumps(more.prefix)}'
            f' "only" {f"(list {only})" if only else "list"} "without" {f"(list {without})" if without else "list"})'
        )

    def _scalar(self, node: Any) -> str:
        if isinstance(node, str):
            return plain(node)
        if isinstance(node, bool | int | float) or node in ({}, []):
            return json.dumps(node)
        return f"{{{{ {_encoded(bare(self._expression(node)), self._type_of(node))} }}}}"

    def _type_of(self, node: Any) -> str:
        match node:
            case Value():
                return self._types[node.path]
            case FirstOf():
                return self._type_of(node.choices[-1])
            case Item() | Sum() | Largest():
                return "any"
            case _:
                return "string"

    def condition(self, node: Any) -> str:
        """As after `if`."""
        self._collect(node)
        return condition(node)

    def _expression(self, node: Any) -> str:
        self._collect(node)
        return expression(node)

    def _collect(self, node: Any) -> None:
        for one in _named(node):
            self.named.setdefault(one.name, one.body)
            self._collect(one.body)

    def definitions(self) -> str:
        """All templates that have been named, in order of their names."""
        return "\n".join(
            f'{{{{- define "{name}" -}}}}\n{_body(self.named[name])}\n{{{{- end }}}}\n' for name in sorted(self.named)
        )


def as_yaml(data: Any) -> str:
    """A whole file."""
    return str(yaml.dump(data, Dumper=_Lines, sort_keys=False, allow_unicode=True, width=120))


class _Lines(yaml.SafeDumper):
    """Texts of several lines stay so."""


_Lines.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, "|" if "\n" in text else None),
)


def plain(value: str) -> str:
    """As YAML, in quotes only where it needs them."""
    if "{{" in value:
        raise ValueError(f"{value!r} would be taken for an action of a template")
    is_plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_TEXT
    return value if is_plain else json.dumps(value, ensure_ascii=False)


def _taken(given: Given) -> str:
    return f"omit .Values.{given.path} {json.dumps(given.but)}" if given.but else f".Values.{given.path}"


def _encoded(operand: str, kind: Any) -> str:
    return f"{operand} | {'quote' if kind == 'string' else 'toJson'}"


def _kind(schema: Schema) -> str:
    """`any` for a value that may be of several."""
    found = schema["type"]
    kinds = [found] if isinstance(found, str) else [one for one in found if one != "null"]
    return kinds[0] if len(kinds) == 1 else "any"


@singledispatch
def _body(node: Any) -> str:
    return f"{{{{- {bare(expression(node))} }}}}"


@_body.register
def _(node: EachText) -> str:
    lines = [
        "{{- $all := list }}",
        f"{{{{- range .Values.{node.items.path} }}}}",
        f"{{{{- $all = append $all {expression(node.text)} }}}}",
        "{{- end }}",
        '{{- join ", " $all }}',
    ]
    return "\n".join(lines)


@_body.register
def _(node: When) -> str:
    parts = [f"{{{{- if {condition(node.condition)} }}}}", _body(node.then)]
    if node.otherwise is not ABSENT:
        parts += ["{{- else }}", _body(node.otherwise)]
    return "\n".join([*parts, "{{- end }}"])


def _named(node: Any) -> Iterator[Named]:
    """Those that a node holds, not those within their bodies."""
    if isinstance(node, Named):
        yield node
        return
    inner: Any = ()
    if isinstance(node, list | tuple):
        inner = node
    elif hasattr(node, "__struct_fields__"):
        inner = tuple(getattr(node, name) for name in node.__struct_fields__)
    for one in inner:
        yield from _named(one)
