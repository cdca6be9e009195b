"""`spec.tls` of Ingresses and TCPIngresses → which certificate answers for which server name (kong.md §3.10)."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from crossfade.api.bounds import Misfit, host_name
from crossfade.api.kong.stream_ingress import TcpIngress
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.vaults import Vaults, secrets_behind
from crossfade.compile.isolate import isolated
from crossfade.compile.key_pairs import PARTS, UnusableError, check_pair, pem_of
from crossfade.compile.memo import Memo
from crossfade.compile.model import ServerCertificate
from crossfade.compile.policies.references import UnresolvableError, parsed
from crossfade.compile.policies.schema import is_reference
from crossfade.compile.routing.origin import Origin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import Ingress, IngressTls
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import NamespacedName
from crossfade_kube.registry import typed_ref

_OTHER_CERTIFICATE: Final = "the hosts are served with another certificate"
_LONGEST_REFERENCE: Final = 1024


class NamedCertificate(Struct, frozen=True):
    """`origin` is the Secret, or the plugin that asked for it."""

    origin: Origin
    server_names: tuple[str, ...]
    certificate: ServerCertificate

    @property
    def title(self) -> str:
        """Tells it from all others."""
        return self.certificate.name or f"{self.origin.ref.namespace}.{self.origin.ref.name}"


class _Secrets(NamedTuple):
    """Where certificates are, and what references in their place stand for."""

    snapshot: Snapshot
    vaults: Vaults

    def get(self, name: NamespacedName) -> Secret | None:
        return self.snapshot.get(Secret, *name)

    def behind(self, secret: Secret) -> tuple[Secret | None, ...]:
        given = (secret.data.get(name, b"")[:_LONGEST_REFERENCE] for name in PARTS)
        texts = (value.decode("ascii", "replace").strip() for value in given)
        return secrets_behind([text for text in texts if is_reference(text)], self.vaults, self.get)

    def resolved(self, text: str) -> str:
        """Raises UnresolvableError."""
        reference = text.strip()
        if not is_reference(reference):
            return text
        try:
            return self.vaults.value(parsed(reference), self.get)
        except UnresolvableError as problem:
            raise UnresolvableError(f"could not resolve {reference}: {problem}") from None


def certificates_of(
    ingresses: Sequence[Ingress | TcpIngress], snapshot: Snapshot, vaults: Vaults, memo: Memo, diagnostics: Diagnostics
) -> list[NamedCertificate]:
    """The oldest Ingress that claims a name has it."""
    secrets = _Secrets(snapshot, vaults)
    names: dict[str, NamespacedName] = {}
    loaded: dict[NamespacedName, ServerCertificate | None] = {}
    with_tls = (ingress for ingress in ingresses if ingress.spec.tls)
    for ingress in sorted(with_tls, key=lambda item: item.metadata.age):
        for index, tls in enumerate(ingress.spec.tls):
            if not tls.hosts or not tls.secret_name:
                _tell_incomplete(Origin(typed_ref(ingress), f"spec.tls[{index}]"), tls, diagnostics)
                continue
            key = NamespacedName(ingress.metadata.namespace, tls.secret_name)
            place = Origin(typed_ref(ingress), f"spec.tls[{index}]")
            if key not in loaded:
                loaded[key] = _certificate(place, key, secrets, memo, diagnostics)
            if loaded[key] is not None:
                for host in _usable_names(tls.hosts, place, diagnostics):
                    names.setdefault(host, key)
    by_secret: dict[NamespacedName, list[str]] = {}
    for name, key in names.items():
        by_secret.setdefault(key, []).append(name)
    return [
        NamedCertificate(Origin(typed_ref(secret)), tuple(sorted(by_secret[key])), certificate)
        for key, certificate in sorted(loaded.items())
        if certificate is not None and key in by_secret and (secret := snapshot.get(Secret, *key)) is not None
    ]


def _tell_incomplete(place: Origin, tls: IngressTls, diagnostics: Diagnostics) -> None:
    if tls.secret_name:
        diagnostics.warning(
            place.ref,
            "tls.no-hosts",
            f"Secret {tls.secret_name} is for no host",
            effect="its certificate is not used",
            hint="name the hosts",
            field=f"{place.path}.hosts",
        )
    else:
        diagnostics.note(
            place.ref,
            "tls.no-secret",
            "the entry names no Secret",
            effect="its hosts are served with the default certificate, unless another entry names them",
            field=f"{place.path}.secretName",
        )


def _usable_names(hosts: tuple[str, ...], place: Origin, diagnostics: Diagnostics) -> Iterator[str]:
    for host in hosts:
        if isinstance(host_name(host.removeprefix("*.")), Misfit):
            diagnostics.error(
                place.ref,
                "tls.invalid-host",
                f"{host!r} is no server name that a client could ask for",
                effect="the name is served with another certificate",
                hint="give host names or *.suffix",
                field=f"{place.path}.hosts",
            )
        else:
            yield host.lower()


def _certificate(
    place: Origin, key: NamespacedName, secrets: _Secrets, memo: Memo, diagnostics: Diagnostics
) -> ServerCertificate | None:
    secret = secrets.get(key)
    if secret is None:
        _refuse(place, None, f"Secret {key} not found", diagnostics)
        return None

    def make(found: Diagnostics) -> ServerCertificate | None:
        return isolated(
            lambda: _loaded(secret, secrets, place, found),
            otherwise=None,
            ref=typed_ref(secret),
            effect=_OTHER_CERTIFICATE,
            diagnostics=found,
        )

    return memo.of(("certificate", key), (secret, secrets.vaults, *secrets.behind(secret)), make, diagnostics)


def _loaded(secret: Secret, secrets: _Secrets, place: Origin, diagnostics: Diagnostics) -> ServerCertificate | None:
    try:
        chain_pem, key_pem = (secrets.resolved(pem_of(secret, name)) for name in PARTS)
        check_pair(chain_pem, key_pem)
    except (UnusableError, UnresolvableError) as problem:
        _refuse(place, secret, str(problem), diagnostics)
        return None
    return ServerCertificate(chain_pem, key_pem)


def _refuse(place: Origin, secret: Secret | None, problem: str, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        typed_ref(secret) if secret else place.ref,
        "tls.certificate",
        f"failed to construct certificate from secret: {problem}",
        effect=_OTHER_CERTIFICATE,
        hint="give a Secret of type kubernetes.io/tls with tls.crt and tls.key that belong together",
        field="data" if secret else f"{place.path}.secretName",
    )
