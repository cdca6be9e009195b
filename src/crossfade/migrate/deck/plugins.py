"""Plugins → KongPlugins, referred to by what they are attached to (kong.md §4.3, R-14)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from crossfade.migrate.deck.output import Output, attach
from crossfade.migrate.deck.tree import Node, Tree
from crossfade_kube.meta import JsonObject

_VERSION: Final = "configuration.konghq.com/v1"
_KNOWN: Final = frozenset(
    {
        "name",
        "config",
        "enabled",
        "protocols",
        "run_on",
        "ordering",
        "instance_name",
        "tags",
        "_config",
        "config_source",
    }
)
_ALL_PROTOCOLS: Final = ["grpc", "grpcs", "http", "https"]
_SCOPES: Final = ("route", "service", "consumer", "consumer_group")


def made_plugins(tree: Tree, owners: Mapping[str, Mapping[str, JsonObject]], output: Output) -> None:
    """`owners` are the objects of routes, services, consumers and groups by kind and name."""
    for node in tree.of("plugin"):
        output.note(node)
        output.refuse_rest(node, _KNOWN)
        scope = dict(_scope(node))
        missing = [f"{kind} {name}" for kind, name in scope.items() if name not in owners.get(kind, {})]
        if missing:
            output.refuse(node, "", f"{', '.join(missing)} has no object to refer to it")
            continue
        _make(node, scope, tree, owners, output)


def _scope(node: Node) -> Iterator[tuple[str, str]]:
    """A route has one service, so both together say no more than the route."""
    for kind in _SCOPES:
        if kind in node.parents and not (kind == "service" and "route" in node.parents):
            yield kind, node.parents[kind]


def _make(
    node: Node,
    scope: Mapping[str, str],
    tree: Tree,
    owners: Mapping[str, Mapping[str, JsonObject]],
    output: Output,
) -> None:
    plugin = str(node.fields.get("name", ""))
    place = "-".join((*scope.values(), plugin))
    body = _body(node, plugin, tree)
    if not scope:
        name = output.name_for("KongClusterPlugin", f"global-{plugin}")
        made = output.add(node, _VERSION, "KongClusterPlugin", name, body, labels={"global": "true"})
        made["metadata"]["annotations"]["kubernetes.io/ingress.class"] = output.options.ingress_class
        return
    name = output.name_for("KongPlugin", place)
    output.add(node, _VERSION, "KongPlugin", name, body)
    for kind, owner in scope.items():
        attach(owners[kind][owner], name)


def _body(node: Node, plugin: str, tree: Tree) -> JsonObject:
    body: JsonObject = {"plugin": plugin}
    config = {**_shared(node, tree), **(node.fields.get("config") or {})}
    if config:
        body["config"] = config
    if node.fields.get("enabled") is False:
        body["disabled"] = True
    protocols = node.fields.get("protocols")
    if isinstance(protocols, list) and sorted(map(str, protocols)) != _ALL_PROTOCOLS:
        body["protocols"] = protocols
    for name in ("run_on", "ordering", "instance_name"):
        if node.fields.get(name) is not None:
            body[name] = node.fields[name]
    return body


def _shared(node: Node, tree: Tree) -> dict[str, Any]:
    """`_config` names a configuration of the file's `_plugin_configs`."""
    shared = tree.plugin_configs.get(str(node.fields.get("_config", "")))
    return shared if isinstance(shared, dict) else {}
