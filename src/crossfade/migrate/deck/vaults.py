"""Vaults → KongVaults (kong.md §1.8)."""

from typing import Final

from crossfade.migrate.deck.output import Output
from crossfade.migrate.deck.tree import Tree
from crossfade_kube.meta import JsonObject

_VERSION: Final = "configuration.konghq.com/v1alpha1"
_KNOWN: Final = frozenset({"name", "prefix", "description", "config", "tags"})
_CLASS: Final = "kubernetes.io/ingress.class"


def made_vaults(tree: Tree, output: Output) -> None:
    """What is called a vault's name in the file is its backend."""
    for node in tree.of("vault"):
        output.note(node)
        output.refuse_rest(node, _KNOWN)
        spec: JsonObject = {"backend": str(node.fields.get("name") or ""), "prefix": node.name}
        spec |= {name: node.fields[name] for name in ("description", "config", "tags") if node.fields.get(name)}
        name = output.name_for("KongVault", node.name)
        annotations = {_CLASS: output.options.ingress_class}
        output.add(node, _VERSION, "KongVault", name, {"spec": spec}, annotations=annotations)
