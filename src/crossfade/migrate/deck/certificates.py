"""Certificates → Secrets: of TLS by server name, shown to upstreams, and of authorities (kong.md §1.8, §3.10)."""

from collections.abc import Mapping
from typing import Final

from crossfade.migrate.deck.output import Output, annotate
from crossfade.migrate.deck.services import MadeService
from crossfade.migrate.deck.tree import Node, Tree, ref_in
from crossfade_kube.meta import JsonObject

_KNOWN: Final = frozenset({"cert", "key", "tags"})
_CA_KNOWN: Final = frozenset({"cert", "cert_digest", "tags"})
_CLASS: Final = "kubernetes.io/ingress.class"


def made_certificates(
    tree: Tree, services: Mapping[str, MadeService], ingresses: Mapping[str, JsonObject], output: Output
) -> None:
    shown = _shown_by(tree, services)
    for node in tree.of("certificate"):
        output.note(node)
        output.refuse_rest(node, _KNOWN)
        names = [sni.name for sni in tree.of("sni") if sni.parents.get("certificate") == node.name]
        users = shown.pop(node.name, [])
        if not users and (not names or not ingresses):
            text = "no Ingress can name it" if names else "a certificate without server names has no manifest"
            output.refuse(node, "snis", f"{text}; it is left out")
            continue
        secret = _secret(node, names, output)
        for service in users:
            annotate(service, "konghq.com/client-cert", secret)
        if names and ingresses:
            _name(secret, names, list(ingresses.values()))
    for sni in tree.of("sni"):
        output.note(sni)
        output.refuse_rest(sni, frozenset({"name", "tags"}))
    _refuse_unknown(tree, "client_certificate", set(shown), output)


def _shown_by(tree: Tree, services: Mapping[str, MadeService]) -> dict[str, list[JsonObject]]:
    """Services by the name of the certificate that they show upstreams."""
    found: dict[str, list[JsonObject]] = {}
    for node in tree.of("service"):
        certificate = ref_in(node.fields.get("client_certificate"))
        if certificate and node.name in services:
            found.setdefault(certificate, []).append(services[node.name].object)
    return found


def _refuse_unknown(tree: Tree, field: str, missing: set[str], output: Output) -> None:
    for node in tree.of("service"):
        if ref_in(node.fields.get(field)) in missing:
            output.refuse(node, field, "it is not in the file; the Service is written without it")


def _secret(node: Node, names: list[str], output: Output) -> str:
    name = output.name_for("Secret", f"certificate-{names[0] if names else node.name}")
    data = {"tls.crt": str(node.fields.get("cert", "")), "tls.key": str(node.fields.get("key", ""))}
    output.add(node, "v1", "Secret", name, {"type": "kubernetes.io/tls", "stringData": data})
    return name


def _name(secret: str, names: list[str], ingresses: list[JsonObject]) -> None:
    """By an Ingress that has such a host, else by any: who names a certificate does not matter to who uses it."""
    of_host = (each for each in ingresses if any(rule.get("host") in names for rule in each["spec"]["rules"]))
    next(of_host, ingresses[0])["spec"].setdefault("tls", []).append({"hosts": names, "secretName": secret})


def made_authorities(tree: Tree, services: Mapping[str, MadeService], output: Output) -> None:
    """Certificates of authorities, named by the Services that trust them."""
    secrets: dict[str, str] = {}
    for node in tree.of("ca_certificate"):
        output.note(node)
        output.refuse_rest(node, _CA_KNOWN)
        name = output.name_for("Secret", f"ca-{node.name}")
        data = {"id": node.name, "cert": str(node.fields.get("cert", ""))}
        output.add(
            node,
            "v1",
            "Secret",
            name,
            {"stringData": data},
            labels={"konghq.com/ca-cert": "true"},
            annotations={_CLASS: output.options.ingress_class},
        )
        secrets[node.name] = name
    for node in tree.of("service"):
        wanted = [ref_in(each) for each in node.fields.get("ca_certificates") or ()]
        unknown = [each for each in wanted if each not in secrets]
        if unknown:
            output.refuse(node, "ca_certificates", "not all are in the file; the Service names missing Secrets")
        if wanted and node.name in services:
            # To leave one out could mean to trust the machine's own authorities.
            trusted = ",".join(secrets.get(each) or output.name_for("Secret", f"ca-{each}") for each in wanted)
            annotate(services[node.name].object, "konghq.com/ca-certificates-secrets", trusted)
