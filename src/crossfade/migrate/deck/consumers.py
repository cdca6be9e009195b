"""Consumers and groups with their credentials → KongConsumers, KongConsumerGroups and Secrets (kong.md §1.4, §1.5)."""

import re
from collections.abc import Mapping
from typing import Final

from crossfade.migrate.deck.output import Output, tag
from crossfade.migrate.deck.tree import CREDENTIALS, Node, Tree
from crossfade_kube.meta import JsonObject

_VERSION: Final = "configuration.konghq.com/v1"
_GROUP_VERSION: Final = "configuration.konghq.com/v1beta1"
_CLASS: Final = "kubernetes.io/ingress.class"
_KNOWN: Final = frozenset({"username", "custom_id", "tags", "groups"})
_GROUP_KNOWN: Final = frozenset({"name", "tags"})
# What the Secret of a type holds.
_DATA: Final[Mapping[str, tuple[str, ...]]] = {
    "key-auth": ("key", "ttl"),
    "basic-auth": ("username", "password"),
    "hmac-auth": ("username", "secret"),
    "jwt": ("key", "secret", "algorithm", "rsa_public_key"),
    "oauth2": ("name", "client_id", "client_secret", "redirect_uris", "hash_secret"),
    "mtls-auth": ("subject_name", "ca_certificate"),
    "acl": ("group",),
}
_HASHED: Final = re.compile(r"[0-9a-f]{40}")


def made_consumers(tree: Tree, group_objects: Mapping[str, JsonObject], output: Output) -> dict[str, JsonObject]:
    """By name."""
    made = {}
    for node in tree.of("consumer"):
        output.note(node)
        output.refuse_rest(node, _KNOWN)
        if node.fields.get("id"):
            output.differ(node, "id", "X-Consumer-ID is made from the username, not taken from the file")
        body: JsonObject = {name: str(node.fields[name]) for name in ("username", "custom_id") if node.fields.get(name)}
        name = output.name_for("KongConsumer", node.name)
        secrets = [
            _secret(each, name, output)
            for kind in CREDENTIALS
            for each in tree.of(kind)
            if each.parents.get("consumer") == node.name
        ]
        if secrets:
            body["credentials"] = secrets
        groups = [_name_of(name, group_objects) for name in _groups(node)]
        if groups:
            body["consumerGroups"] = groups
        annotations = {_CLASS: output.options.ingress_class}
        made[node.name] = output.add(node, _VERSION, "KongConsumer", name, body, annotations=annotations)
        tag(made[node.name], node)
    _refuse_strays(tree, made, output)
    return made


def _groups(node: Node) -> list[str]:
    groups = node.fields.get("groups")
    found = groups if isinstance(groups, list) else []
    return [str(each.get("name")) if isinstance(each, dict) else str(each) for each in found]


def _name_of(group: str, objects: Mapping[str, JsonObject]) -> str:
    name: str = objects[group]["metadata"]["name"] if group in objects else group
    return name


def _refuse_strays(tree: Tree, made: Mapping[str, JsonObject], output: Output) -> None:
    for kind in CREDENTIALS:
        for node in tree.of(kind):
            if node.parents.get("consumer") not in made:
                output.refuse(node, "consumer", "it belongs to no consumer of the file; it is left out")


def _secret(node: Node, consumer: str, output: Output) -> str:
    fields = _DATA[node.kind]
    output.note(node)
    output.refuse_rest(node, frozenset((*fields, "tags")))
    data = {name: _text(node.fields[name]) for name in fields if node.fields.get(name) not in (None, "")}
    if node.kind == "basic-auth" and _HASHED.fullmatch(data.get("password", "")):
        output.refuse(
            node, "password", "this looks like a hash that Kong made of the password", "put the password itself in"
        )
    name = output.name_for("Secret", f"{consumer}-{node.kind}")
    labels = {"konghq.com/credential": node.kind}
    output.add(node, "v1", "Secret", name, {"stringData": data}, labels=labels)
    return name


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return str(next((value[name] for name in ("id", "name") if name in value), ""))
    return str(value).lower() if isinstance(value, bool) else str(value)


def made_groups(tree: Tree, output: Output) -> dict[str, JsonObject]:
    """By name. A group's name is its object's, as consumers name it."""
    made = {}
    for node in tree.of("consumer_group"):
        output.note(node)
        output.refuse_rest(node, _GROUP_KNOWN)
        name = output.name_for("KongConsumerGroup", node.name)
        if name != node.name:
            output.differ(node, "name", f"it is called {name} here, as Kubernetes allows names of objects")
        annotations = {_CLASS: output.options.ingress_class}
        made[node.name] = output.add(node, _GROUP_VERSION, "KongConsumerGroup", name, {}, annotations=annotations)
        tag(made[node.name], node)
    return made
