"""`spec.tls` of the Ingresses → which certificate answers for which server name (kong.md §3.10)."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from msgspec import Struct

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.model import ServerCertificate
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref


class NamedCertificate(Struct, frozen=True):
    secret: NamespacedName
    server_names: tuple[str, ...]
    certificate: ServerCertificate


def certificates_of(ingresses: list[Ingress], snapshot: Snapshot, diagnostics: Diagnostics) -> list[NamedCertificate]:
    """The oldest Ingress that claims a name has it."""
    names: dict[str, NamespacedName] = {}
    loaded: dict[NamespacedName, ServerCertificate | None] = {}
    for ingress in sorted(ingresses, key=lambda item: (item.metadata.creation_timestamp, item.metadata.key)):
        for index, tls in enumerate(ingress.spec.tls):
            if not tls.hosts or not tls.secret_name:
                continue
            key = NamespacedName(ingress.metadata.namespace, tls.secret_name)
            if key not in loaded:
                loaded[key] = _certificate(ingress, key, index, snapshot, diagnostics)
            if loaded[key] is not None:
                for host in tls.hosts:
                    names.setdefault(host.lower(), key)
    return [
        NamedCertificate(key, tuple(sorted(name for name in names if names[name] == key)), certificate)
        for key, certificate in sorted(loaded.items())
        if certificate is not None and key in names.values()
    ]


def _certificate(
    ingress: Ingress, key: NamespacedName, index: int, snapshot: Snapshot, diagnostics: Diagnostics
) -> ServerCertificate | None:
    secret = snapshot.get(Secret, *key)
    problem = f"Secret {key} not found" if secret is None else _problem(secret)
    if secret is None or problem is not None:
        diagnostics.error(
            typed_ref(secret) if secret else typed_ref(ingress),
            "tls.certificate",
            f"failed to construct certificate from secret: {problem}",
            effect="the hosts are served with another certificate",
            hint="give a Secret of type kubernetes.io/tls with tls.crt and tls.key that belong together",
            field="data" if secret else f"spec.tls[{index}].secretName",
        )
        return None
    return ServerCertificate(secret.data["tls.crt"].decode(), secret.data["tls.key"].decode())


def _problem(secret: Secret) -> str | None:
    for name in ("tls.crt", "tls.key"):
        if name not in secret.data:
            return f"{name} is missing"
    try:
        chain = x509.load_pem_x509_certificates(secret.data["tls.crt"])
        key = load_pem_private_key(secret.data["tls.key"], None)
    except (ValueError, TypeError):
        return "tls.crt or tls.key is not valid PEM"
    ours, theirs = (
        each.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for each in (key.public_key(), chain[0].public_key())
    )
    return None if ours == theirs else "tls.key does not belong to tls.crt"
