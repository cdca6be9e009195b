"""ACM's certificates and authorities, which Secrets of the cluster stand for (appmesh.md §9 O7).

A Secret says itself which ARNs it stands for, so that App Mesh's manifests stay as they are. It counts in its own
namespace only: who may write virtual nodes there may also mount it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from msgspec import Struct

from crossfade.api.appmesh import VirtualGateway, VirtualNode
from crossfade.api.appmesh.tls import TlsTrust
from crossfade.api.appmesh.values import BackendDefaults, ClientPolicy, ListenerTls
from crossfade.compile.key_pairs import (
    Lasting,
    UnusableError,
    authorities_from_secret,
    certificate_from_secret,
    lasting,
)
from crossfade.compile.mesh.matches import Unusable
from crossfade.compile.model import StoredAuthorities, StoredCertificate
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.secret import Secret
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

LABEL: Final = "crossfade.dev/acm"
_ENABLED: Final = "enabled"
ACM_SELECTOR: Final = f"{LABEL}={_ENABLED}"
"""Of the Secrets that are read at all."""
ARNS_ANNOTATION: Final = "crossfade.dev/acm-arns"
_AUTHORITY: Final = ":certificate-authority/"


class UsedCertificate(Struct, frozen=True):
    """What an owner shows or believes; `name` is for people."""

    owner: ObjectRef
    name: str
    begins_at: datetime
    ends_at: datetime


class AcmSecrets:
    """By namespace and ARN; of several Secrets for one the oldest counts."""

    def __init__(self, snapshot: Snapshot, *, are_shown: bool) -> None:
        self._are_shown = are_shown
        self._by_arn: dict[tuple[str, str], Secret] = {}
        self._spans: dict[tuple[int, str], Lasting | None] = {}
        labelled = [one for one in snapshot.all(Secret) if one.metadata.labels.get(LABEL) == _ENABLED]
        for secret in sorted(labelled, key=lambda secret: secret.metadata.age):
            for arn in _arns(secret):
                self._by_arn.setdefault((secret.metadata.namespace, arn), secret)

    def certificate(self, namespace: str, arn: str) -> StoredCertificate:
        """Raises Unusable."""
        secret = self._found(namespace, arn)
        try:
            found = certificate_from_secret(secret)
        except UnusableError as problem:
            raise Unusable("", f"Secret {secret.metadata.key}, which stands for {arn}: {problem}") from None
        return StoredCertificate(str(secret.metadata.key), found.chain_pem, found.key_pem)

    def authorities(self, namespace: str, arns: Iterable[str]) -> StoredAuthorities:
        """All of them; raises Unusable."""
        secrets = {str(secret.metadata.key): secret for arn in arns for secret in (self._found(namespace, arn),)}
        if not secrets:
            raise Unusable("", "no certificate authority is named")
        try:
            texts = [authorities_from_secret(secret) for secret in secrets.values()]
        except UnusableError as problem:
            raise Unusable("", f"of the Secrets {', '.join(secrets)}: {problem}") from None
        return StoredAuthorities(" ".join(secrets), "".join(texts))

    def seen(self, owner: VirtualNode | VirtualGateway) -> tuple[Secret | None, ...]:
        """What the owner's own TLS depends on."""
        namespace = owner.metadata.namespace
        return tuple(self._by_arn.get((namespace, arn)) for arn in arns_of(owner))

    @property
    def has_any(self) -> bool:
        return bool(self._by_arn)

    def used_by(self, owner: VirtualNode | VirtualGateway) -> tuple[UsedCertificate, ...]:
        """Each certificate that the owner's ARNs come to."""
        wanted: dict[tuple[int, str], Secret] = {}
        for arn in arns_of(owner):
            if (secret := self._by_arn.get((owner.metadata.namespace, arn))) is not None:
                # Beside a certificate stands what callers believe it by.
                names = ("ca.crt",) if _AUTHORITY in arn else ("tls.crt", "ca.crt")
                wanted |= {(id(secret), name): secret for name in names}
        spans = ((secret, name, self._lasting(secret, name)) for (_, name), secret in wanted.items())
        return tuple(
            UsedCertificate(typed_ref(owner), f"{name} of Secret {secret.metadata.key}", *span)
            for secret, name, span in spans
            if span is not None
        )

    def _lasting(self, secret: Secret, name: str) -> Lasting | None:
        key = id(secret), name
        if key not in self._spans:
            self._spans[key] = lasting(secret, name)
        return self._spans[key]

    def _found(self, namespace: str, arn: str) -> Secret:
        if not self._are_shown:
            raise Unusable(
                "",
                f"the controller may not read Secrets, so that none can stand for {arn}: "
                "apply what `crossfade install mesh --acm-secrets` prints and restart it",
            )
        secret = self._by_arn.get((namespace, arn))
        if secret is None:
            raise Unusable(
                "",
                f"there is no ACM here, and no Secret in namespace {namespace} stands for {arn}: label one with "
                f"{LABEL}: enabled and annotate it with {ARNS_ANNOTATION}: {arn}",
            )
        return secret


def uses_acm(snapshot: Snapshot) -> bool:
    """Some object does, so Secrets are of interest."""
    owners: list[VirtualNode | VirtualGateway] = [*snapshot.all(VirtualNode), *snapshot.all(VirtualGateway)]
    return any(next(arns_of(owner), None) is not None for owner in owners)


def arns_of(owner: VirtualNode | VirtualGateway) -> Iterator[str]:
    for listener in owner.spec.listeners:
        yield from _arns_of_listener(listener.tls)
    yield from _arns_of_defaults(owner.spec.backend_defaults)
    if isinstance(owner, VirtualNode):
        for backend in owner.spec.backends:
            yield from _arns_of_policy(backend.virtual_service.client_policy)


def _arns_of_listener(tls: ListenerTls | None) -> Iterator[str]:
    if tls is None:
        return
    if tls.certificate.acm is not None:
        yield tls.certificate.acm.certificate_arn
    trust = tls.validation.trust if tls.validation is not None else None
    if isinstance(trust, TlsTrust) and trust.acm is not None:
        yield from trust.acm.certificate_authority_arns


def _arns_of_defaults(defaults: BackendDefaults | None) -> Iterator[str]:
    yield from _arns_of_policy(defaults.client_policy if defaults is not None else None)


def _arns_of_policy(policy: ClientPolicy | None) -> Iterator[str]:
    if policy is not None and policy.tls is not None and policy.tls.validation.trust.acm is not None:
        yield from policy.tls.validation.trust.acm.certificate_authority_arns


def _arns(secret: Secret) -> Iterator[str]:
    for arn in secret.metadata.annotations.get(ARNS_ANNOTATION, "").replace("\n", ",").split(","):
        if arn.strip():
            yield arn.strip()
