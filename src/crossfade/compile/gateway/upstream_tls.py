"""TLS towards a Service: whom it must be, by whose word, and what it is shown (kong.md §2, §3.10)."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec import Struct

from crossfade.api.bounds import Bounds
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.authorities import CA_LABEL, Source, is_authority
from crossfade.compile.key_pairs import UnusableError, certificate_from_secret
from crossfade.compile.model import ClientTls, ServerCertificate
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.config_map import ConfigMap
from crossfade_kube.core.secret import Secret
from crossfade_kube.core.service import Service
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

TLS_PROTOCOLS: Final = frozenset({"https", "grpcs", "wss", "tls"})
TLS_VERIFY: Final = "konghq.com/tls-verify"
_DEPTH_KEY: Final = "konghq.com/tls-verify-depth"
_CLIENT_CERT: Final = "konghq.com/client-cert"
_CA_SECRETS: Final = "konghq.com/ca-certificates-secrets"
_CA_CONFIG_MAPS: Final = "konghq.com/ca-certificates-configmaps"
# Kong's own.
DEPTH: Final = Bounds(0, 64)
# As Go reads it, and so Kong's controller.
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}
_NO_CERTIFICATE: Final = "upstreams are shown no certificate"
_OWN_CERTIFICATE: Final = "upstreams are shown that of Kong's setting client_ssl_cert"
_OTHERS_ONLY: Final = "who is certified by this authority only is not trusted"
_CLOSED: Final = "requests to this Service are answered 503"


class TlsReferences(NamedTuple):
    """The objects that a Service's annotations name, None where there is none; by their names."""

    client: Secret | None
    authorities: tuple[tuple[str, str, Source | None], ...]
    """Annotation, name, object."""

    @property
    def objects(self) -> tuple[object, ...]:
        return (self.client, *(found for _, _, found in self.authorities))


class OwnTls(NamedTuple):
    """What the gateway has where a Service names nothing.

    `authorities` is the file, on the proxy's machine, of those that everybody trusts; `certificate` is shown.
    """

    authorities: str | None = None
    certificate: ServerCertificate | None = None


class TlsPlan(Struct, frozen=True):
    """With a `refusal` nothing may be sent: it would go to whoever answers."""

    tls: ClientTls | None = None
    refusal: str | None = None


def tls_references(service: Service, snapshot: Snapshot) -> TlsReferences:
    noted, namespace = notes.modernised(service.metadata.annotations)[0], service.metadata.namespace
    client = noted.get(_CLIENT_CERT)
    secrets = ((_CA_SECRETS, name, snapshot.get(Secret, namespace, name)) for name in notes.list_of(noted, _CA_SECRETS))
    maps = (
        (_CA_CONFIG_MAPS, name, snapshot.get(ConfigMap, namespace, name))
        for name in notes.list_of(noted, _CA_CONFIG_MAPS)
    )
    return TlsReferences(snapshot.get(Secret, namespace, client) if client else None, (*secrets, *maps))


def tls_plan(
    reader: notes.Reader,
    ref: ObjectRef,
    references: TlsReferences,
    protocol: str,
    own: OwnTls,
    diagnostics: Diagnostics,
) -> TlsPlan:
    teller = _Teller(ref, diagnostics)
    verifies = _BOOLEANS.get(reader.noted.get(TLS_VERIFY, "false"))
    if verifies is None:
        return _closed("it is neither true nor false whether upstream certificates are verified", teller, closes=True)
    certificate = _client_certificate(reader, references, protocol, own, teller)
    depth = reader.integer(_DEPTH_KEY, DEPTH)
    pems = tuple(_authorities(references, teller)) if verifies else ()
    if not verifies:
        _tell_needless(reader, teller)
    if protocol not in TLS_PROTOCOLS:
        return _closed(f"verifying upstream certificates needs a protocol of TLS, not {protocol}", teller, verifies)
    if verifies and references.authorities and not pems:
        return _closed("none of the authorities to verify upstream certificates by can be used", teller, closes=True)
    if verifies and not pems and own.authorities is None:
        return _closed("this machine has no file of trusted authorities to verify by", teller, closes=True)
    return TlsPlan(
        ClientTls(
            ca_pem="".join(dict.fromkeys(pems)) or None,
            ca_file=own.authorities if verifies and not pems else None,
            verify_depth=depth if verifies else None,
            certificate=certificate,
        )
    )


class _Teller(NamedTuple):
    ref: ObjectRef
    diagnostics: Diagnostics

    def error(self, key: str, problem: str, *, effect: str, hint: str) -> None:
        field = f"metadata.annotations[{key}]"
        self.diagnostics.error(self.ref, "service.tls", problem, effect=effect, hint=hint, field=field)


def _closed(problem: str, teller: _Teller, closes: bool) -> TlsPlan:
    if not closes:
        return TlsPlan()
    hint = 'use protocol https or grpcs and authorities that exist, or write "false"'
    teller.error(TLS_VERIFY, problem, effect=_CLOSED, hint=hint)
    return TlsPlan(refusal=problem)


def _client_certificate(
    reader: notes.Reader, references: TlsReferences, protocol: str, own: OwnTls, teller: _Teller
) -> ServerCertificate | None:
    name = reader.noted.get(_CLIENT_CERT)
    if not name:
        return own.certificate
    problem, hint = "", "give a Secret of type kubernetes.io/tls with tls.crt and tls.key that belong together"
    if protocol not in TLS_PROTOCOLS:
        problem = f"Client certificate requested for incompatible service protocol '{protocol}'"
        hint = "annotate the Service with konghq.com/protocol: https"
    elif references.client is None:
        problem = f"Failed to fetch secret '{teller.ref.namespace}/{name}': not found"
    else:
        try:
            return certificate_from_secret(references.client)
        except UnusableError as error:
            problem = f"failed to construct certificate from secret '{teller.ref.namespace}/{name}': {error}"
    is_shown = own.certificate is not None and protocol in TLS_PROTOCOLS
    teller.error(_CLIENT_CERT, problem, effect=_OWN_CERTIFICATE if is_shown else _NO_CERTIFICATE, hint=hint)
    return own.certificate


def _tell_needless(reader: notes.Reader, teller: _Teller) -> None:
    for key in (_CA_SECRETS, _CA_CONFIG_MAPS):
        if notes.list_of(reader.noted, key):
            problem = "CA certificates requested for service without TLS verification enabled"
            hint = f'annotate the Service with {TLS_VERIFY}: "true"'
            teller.error(key, problem, effect="certificates of upstreams are not verified", hint=hint)


def _authorities(references: TlsReferences, teller: _Teller) -> Iterator[str]:
    for key, name, found in references.authorities:
        kind = "secret" if key == _CA_SECRETS else "configmap"
        where = f"{teller.ref.namespace}/{name}"
        if found is None:
            problem = f"Failed to fetch {kind} for CA Certificate '{where}': not found"
            hint = f'create it; a ConfigMap needs the label {CA_LABEL}: "true"' if kind == "configmap" else "create it"
            teller.error(key, problem, effect=_OTHERS_ONLY, hint=hint)
            continue
        try:
            yield _authority(found)
        except UnusableError as error:
            _Teller(typed_ref(found), teller.diagnostics).diagnostics.error(
                typed_ref(found),
                "ca-certificate.invalid",
                f"invalid {kind} CA certificate: {error}",
                effect=_OTHERS_ONLY,
                hint="give the certificate of an authority as PEM under the key cert or ca.crt",
                field="data",
            )


def _authority(found: Source) -> str:
    """Written anew: comments around PEM may be anything."""
    data: Mapping[str, str | bytes] = found.data
    text = data.get("cert", data.get("ca.crt"))
    if text is None:
        raise UnusableError('neither "cert" nor "ca.crt" key exist')
    try:
        certificates = x509.load_pem_x509_certificates(text.encode() if isinstance(text, str) else text)
        pem = "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)
    except (ValueError, UnicodeEncodeError):
        raise UnusableError("invalid PEM block") from None
    if not all(is_authority(one) for one in certificates):
        raise UnusableError("certificate is missing the 'CA' basic constraint")
    return pem
