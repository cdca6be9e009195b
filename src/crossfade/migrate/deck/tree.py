"""A declarative configuration as flat lists of entities that know their parents, nested or not."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from crossfade.migrate.deck.types import fitting
from crossfade_kube.meta import JsonObject

FORMAT: Final = "_format_version"
# Collections of a kind below another, and at the top.
_CHILDREN: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        "services": "service",
        "routes": "route",
        "plugins": "plugin",
        "consumers": "consumer",
        "consumer_groups": "consumer_group",
        "upstreams": "upstream",
        "targets": "target",
        "certificates": "certificate",
        "snis": "sni",
        "ca_certificates": "ca_certificate",
        "vaults": "vault",
        "keyauth_credentials": "key-auth",
        "basicauth_credentials": "basic-auth",
        "hmacauth_credentials": "hmac-auth",
        "jwt_secrets": "jwt",
        "oauth2_credentials": "oauth2",
        "mtls_auth_credentials": "mtls-auth",
        "acls": "acl",
    },
    "service": {"routes": "route", "plugins": "plugin"},
    "route": {"plugins": "plugin"},
    "consumer_group": {"plugins": "plugin"},
    "upstream": {"targets": "target"},
    "certificate": {"snis": "sni"},
}
CREDENTIALS: Final = ("key-auth", "basic-auth", "hmac-auth", "jwt", "oauth2", "mtls-auth", "acl")
_OF_CONSUMERS: Final = {
    "plugins": "plugin",
    **{name: kind for name, kind in _CHILDREN[""].items() if kind in CREDENTIALS},
}
_NAMES: Final = ("name", "username", "custom_id", "target", "id")
_OWN_NAMES: Final = {"plugin": ("instance_name", "id"), "vault": ("prefix", "id")}
# What decK and Kong's database keep for themselves.
_BOOKKEEPING: Final = frozenset({"id", "created_at", "updated_at", "ws_id", "_comment", "_ignore"})
_HEADERS: Final = frozenset({FORMAT, "_info", "_transform", "_comment", "_ignore", "_plugin_configs", "_workspace"})
_TEMPLATE: Final = re.compile(r"\$\{\{.*?\}\}")


class Node(Struct, frozen=True, eq=False):
    """`name` tells it from others of its kind; `parents` are names by kind."""

    kind: str
    name: str
    fields: JsonObject
    parents: Mapping[str, str]
    misfits: tuple[str, ...] = ()
    """Fields of another type than theirs, which are not among the `fields`."""

    @property
    def label(self) -> str:
        """What people call it; credentials by their consumer, never by their value."""
        place = ", ".join(f"{kind} {name}" for kind, name in self.parents.items())
        name = self.fields.get("name", self.name) if self.kind == "plugin" else self.name
        own = "" if self.kind in CREDENTIALS else f" {name}"
        return f"{self.kind}{own}{f' of {place}' if place and self.kind not in _ROOTS else ''}"

    def rest(self, known: frozenset[str]) -> Iterator[str]:
        """Names of fields that say something and are not known."""
        taken = known | _BOOKKEEPING | _REFS | set(_below(self.kind))
        return (name for name, value in self.fields.items() if name not in taken and value not in (None, [], {}))

    def templates(self) -> Iterator[str]:
        """Paths of fields whose text decK is to fill in."""
        yield from _templates(self.fields, "", frozenset(_below(self.kind)))


_ROOTS: Final = frozenset({"service", "consumer", "upstream", "certificate", "consumer_group", "route"})
_REFS: Final = frozenset({"service", "route", "consumer", "consumer_group", "upstream", "certificate"})


class Tree(Struct, frozen=True, eq=False):
    """`others` are collections of which nothing here makes anything; `is_old` is the format before Kong 3."""

    nodes: Mapping[str, tuple[Node, ...]]
    is_old: bool
    others: tuple[str, ...] = ()
    plugin_configs: JsonObject = field(default_factory=dict)

    def of(self, kind: str) -> tuple[Node, ...]:
        return self.nodes.get(kind, ())


class NotDeclarative(ValueError):  # noqa: N818 - says why, to people
    """The text is no declarative configuration of Kong's."""


def is_declarative(value: Any) -> bool:
    return isinstance(value, dict) and FORMAT in value


def tree_of(value: JsonObject) -> Tree:
    """Raises NotDeclarative for what has another shape."""
    version = str(value.get(FORMAT))
    if version.split(".")[0] not in ("1", "2", "3"):
        raise NotDeclarative(f"{FORMAT} {version!r} is not known; 1.1, 2.1 and 3.0 are")
    reader = _Reader(_defaults_of(value))
    reader.read("", value, {})
    others = [name for name in value if name not in _CHILDREN[""] and name not in _HEADERS and value[name]]
    configs = value.get("_plugin_configs")
    return Tree(
        {kind: tuple(nodes) for kind, nodes in _resolved(reader.nodes).items()},
        is_old=not version.startswith("3"),
        others=tuple(others),
        plugin_configs=configs if isinstance(configs, dict) else {},
    )


class _Reader:
    def __init__(self, defaults: Mapping[str, JsonObject]) -> None:
        self.nodes: dict[str, list[Node]] = {}
        self._defaults = defaults

    def read(self, kind: str, value: JsonObject, parents: Mapping[str, str]) -> None:
        for collection, child in _below(kind).items():
            for item in _items(value.get(collection), collection):
                self._add(child, item, parents)

    def _add(self, kind: str, item: JsonObject, parents: Mapping[str, str]) -> None:
        fields, misfits = fitting({**self._defaults.get(kind, {}), **item})
        known = self.nodes.setdefault(kind, [])
        name = next((str(fields[each]) for each in _names(kind) if fields.get(each)), f"#{len(known) + 1}")
        own = {each: found for each in _REFS if (found := ref_in(fields.get(each))) and each != kind}
        node = Node(kind, name, fields, {**parents, **own}, misfits)
        known.append(node)
        self.read(kind, fields, {**node.parents, kind: name} if kind in _ROOTS else node.parents)


def _below(kind: str) -> Mapping[str, str]:
    return _OF_CONSUMERS if kind == "consumer" else _CHILDREN.get(kind, {})


def _names(kind: str) -> tuple[str, ...]:
    """A credential's own fields are secrets, or names of somebody else."""
    if kind in CREDENTIALS or kind == "ca_certificate":
        return ("id",)
    return _OWN_NAMES.get(kind, _NAMES)


def _items(value: Any, collection: str) -> Iterator[JsonObject]:
    if value is None:
        return
    if not isinstance(value, list):
        raise NotDeclarative(f"{collection} is no list")
    for item in value:
        if isinstance(item, str):
            yield {"name": item}
        elif isinstance(item, dict):
            yield {str(name): inner for name, inner in item.items()}
        else:
            raise NotDeclarative(f"{collection} holds something that is no object")


def ref_in(value: Any) -> str:
    """By name, by id, or as an object with one of them."""
    if isinstance(value, dict):
        return next((str(value[name]) for name in _NAMES if value.get(name)), "")
    return str(value) if isinstance(value, str | int) else ""


def _defaults_of(value: JsonObject) -> dict[str, JsonObject]:
    info = value.get("_info")
    defaults = info.get("defaults") if isinstance(info, dict) else None
    found = defaults if isinstance(defaults, dict) else {}
    return {str(kind): fields for kind, fields in found.items() if isinstance(fields, dict)}


def _resolved(nodes: Mapping[str, list[Node]]) -> dict[str, list[Node]]:
    """References by id become names."""
    with_id = [node for found in nodes.values() for node in found if "id" in node.fields]
    names = {(node.kind, str(node.fields["id"])): node.name for node in with_id}

    def resolved(node: Node) -> Node:
        parents = {kind: names.get((kind, ref), ref) for kind, ref in node.parents.items()}
        return replace(node, parents=parents)

    return {kind: list(map(resolved, found)) for kind, found in nodes.items()}


def _templates(value: Any, path: str, skipped: frozenset[str]) -> Iterator[str]:
    if isinstance(value, str) and _TEMPLATE.search(value):
        yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name not in skipped:
                yield from _templates(inner, f"{path}.{name}".lstrip("."), frozenset())
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _templates(inner, f"{path}[{index}]", frozenset())
