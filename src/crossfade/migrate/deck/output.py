"""The manifests of one migration while they are made, with what is said of the entities behind them."""

import re
from typing import Any, Final

from msgspec import Struct, field

from crossfade.migrate.deck.tree import Node
from crossfade.migrate.report import Entry, Verdict
from crossfade_kube.meta import JsonObject

_LONGEST: Final = 50
_CLUSTER_WIDE: Final = frozenset({"KongClusterPlugin", "KongVault"})


class Options(Struct, frozen=True):
    namespace: str = "default"
    ingress_class: str = "kong"


class Output(Struct, eq=False):
    """`objects` in the order in which they were made; `entities` says of each what it was."""

    options: Options
    objects: list[JsonObject] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    entities: dict[str, list[str]] = field(default_factory=dict)
    _taken: dict[str, set[str]] = field(default_factory=dict)

    def name_for(self, kind: str, text: str) -> str:
        """One of a kind, as Kubernetes allows names of Services."""
        base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_LONGEST].strip("-") or "unnamed"
        base = base if base[0].isalpha() else f"k-{base}"
        taken = self._taken.setdefault(kind, set())
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        return name

    def add(self, node: Node, api_version: str, kind: str, name: str, body: JsonObject, **metadata: Any) -> JsonObject:
        """The object, whose annotations may grow."""
        own: JsonObject = {"name": name}
        if kind not in _CLUSTER_WIDE:
            own["namespace"] = self.options.namespace
        own |= {each: dict(value) for each, value in metadata.items()}
        own.setdefault("annotations", {})
        made = {"apiVersion": api_version, "kind": kind, "metadata": own, **body}
        self.objects.append(made)
        self.entities.setdefault(node.label, []).append(ref_of(made))
        return made

    def note(self, node: Node) -> None:
        """An entity of which no object is made alone."""
        self.entities.setdefault(node.label, [])

    def say(self, node: Node, name: str, verdict: Verdict, text: str, hint: str = "") -> None:
        self.entries.append(Entry(node.label, name, verdict, text, hint=hint))

    def refuse(self, node: Node, name: str, text: str, hint: str = "") -> None:
        self.say(node, name, Verdict.REFUSED, text, hint)

    def differ(self, node: Node, name: str, text: str, hint: str = "") -> None:
        self.say(node, name, Verdict.DIFFERENT, text, hint)

    def refuse_rest(self, node: Node, known: frozenset[str]) -> None:
        for name in node.rest(known):
            self.refuse(node, name, "there is no manifest for this field; it is left out")
        for name in node.misfits:
            self.refuse(node, name, "it is of another type than Kong knows; it is left out")
        for path in node.templates():
            self.refuse(
                node, path, "decK is to fill this in; it is written as it stands", "render the file with decK before"
            )


def ref_of(made: JsonObject) -> str:
    """As diagnostics name it."""
    metadata = made["metadata"]
    namespace = metadata.get("namespace")
    return f"{made['kind']} {namespace}/{metadata['name']}" if namespace else f"{made['kind']} {metadata['name']}"


def annotate(made: JsonObject, name: str, value: object) -> None:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    made["metadata"]["annotations"][name] = text


def attach(made: JsonObject, plugin: str) -> None:
    """To what refers to plugins already."""
    annotations = made["metadata"]["annotations"]
    known = annotations.get("konghq.com/plugins")
    annotations["konghq.com/plugins"] = f"{known}, {plugin}" if known else plugin


def tag(made: JsonObject, node: Node) -> None:
    tags = node.fields.get("tags")
    if isinstance(tags, list) and tags:
        annotate(made, "konghq.com/tags", ",".join(map(str, tags)))
