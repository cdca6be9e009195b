"""Certificates with server names → TLS Secrets that an Ingress names (kong.md §3.10)."""

from collections.abc import Iterable, Mapping
from typing import Final

from crossfade.migrate.deck.output import Output
from crossfade.migrate.deck.tree import Node, Tree
from crossfade_kube.meta import JsonObject

_KNOWN: Final = frozenset({"cert", "key", "tags"})


def made_certificates(tree: Tree, ingresses: Mapping[str, JsonObject], output: Output) -> None:
    for number, node in enumerate(tree.of("certificate"), 1):
        output.note(node)
        output.refuse_rest(node, _KNOWN)
        names = [sni.name for sni in tree.of("sni") if sni.parents.get("certificate") == node.name]
        if not names:
            output.refuse(node, "snis", "a certificate without server names has no manifest; it is left out")
        elif not ingresses:
            output.refuse(node, "", "there is no Ingress to name it; it is left out")
        else:
            _make(node, number, names, ingresses.values(), output)
    for sni in tree.of("sni"):
        output.note(sni)
        output.refuse_rest(sni, frozenset({"name", "tags"}))


def _make(node: Node, number: int, names: list[str], ingresses: Iterable[JsonObject], output: Output) -> None:
    name = output.name_for("Secret", f"certificate-{names[0]}" if names else f"certificate-{number}")
    data = {"tls.crt": str(node.fields.get("cert", "")), "tls.key": str(node.fields.get("key", ""))}
    output.add(node, "v1", "Secret", name, {"type": "kubernetes.io/tls", "stringData": data})
    ingress = _best(names, list(ingresses))
    ingress["spec"].setdefault("tls", []).append({"hosts": names, "secretName": name})


def _best(names: list[str], ingresses: list[JsonObject]) -> JsonObject:
    """One that has such a host, else any: who names a certificate does not matter to who uses it."""
    for ingress in ingresses:
        if any(rule.get("host") in names for rule in ingress["spec"]["rules"]):
            return ingress
    return ingresses[0]
