"""Certificates by request: what Kubernetes' own signers sign, and the signing with the cluster's CA."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from crossfade_kube.certificates import load

CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT_SIGNER: Final = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING_SIGNER: Final = "kubernetes.io/kubelet-serving"
LEGACY_SIGNER: Final = "kubernetes.io/legacy-unknown"
LONGEST: Final = timedelta(days=365)
_BACKDATED: Final = timedelta(minutes=5)
_CLIENT, _SERVER, _SIGNATURE, _ENCIPHERMENT = "client auth", "server auth", "digital signature", "key encipherment"
_NODES: Final = "system:nodes"
_NODE_PREFIX: Final = "system:node:"
_DNS, _EMAIL, _IP, _URI = x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier
_NAMES: Final[dict[type[x509.GeneralName], str]] = {_DNS: "DNS", _EMAIL: "Email", _IP: "IP", _URI: "URI"}
_KEY_USAGES: Final = {
    "signing": "digital_signature", _SIGNATURE: "digital_signature", "content commitment": "content_commitment",
    _ENCIPHERMENT: "key_encipherment", "data encipherment": "data_encipherment", "key agreement": "key_agreement",
    "cert sign": "key_cert_sign", "crl sign": "crl_sign", "encipher only": "encipher_only",
    "decipher only": "decipher_only",
}  # fmt: skip
_EXTENDED_USAGES: Final = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, _SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    _CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH, "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION, "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"), "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": x509.ObjectIdentifier("2.16.840.1.113730.4.1"),
}  # fmt: skip


class RequestError(ValueError):
    """The request cannot be signed; the text says why."""


def parse_request(pem: bytes) -> x509.CertificateSigningRequest:
    """Raises RequestError."""
    try:
        request = x509.load_pem_x509_csr(pem)
        is_signed = request.is_signature_valid
        request.subject.rfc4514_string()
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise RequestError(f"unable to parse the certificate request: {error}") from error
    if not is_signed:
        raise RequestError("the request's signature is not that of its key")
    return request


def groups_of(request: x509.CertificateSigningRequest) -> list[str]:
    found = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return [str(attribute.value) for attribute in found]


def common_name(request: x509.CertificateSigningRequest) -> str:
    """The last one, which the API server takes for the user's name."""
    found = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[-1].value) if found else ""


def check(signer: str, request: x509.CertificateSigningRequest, usages: Sequence[str]) -> None:
    """By the rules of one of `SIGNERS`, in Kubernetes' words; raises RequestError."""
    for problem in _RULES[signer](request, usages):
        raise RequestError(problem)


def _client_rules(_: x509.CertificateSigningRequest, usages: Sequence[str]) -> Iterator[str]:
    for usage in usages:
        if usage not in (_CLIENT, _SIGNATURE, _ENCIPHERMENT):
            yield f"invalid usage for client certificate: {usage}"
    if _CLIENT not in usages:
        yield f"missing required usage for client certificate: {_CLIENT}"


def _kubelet_client_rules(request: x509.CertificateSigningRequest, usages: Sequence[str]) -> Iterator[str]:
    yield from _group_rule(request)
    yield from _names_not_allowed(request, (_DNS, _EMAIL, _IP, _URI))
    yield from _node_rule(request)
    yield from _usages_rule(usages, _CLIENT)


def _kubelet_serving_rules(request: x509.CertificateSigningRequest, usages: Sequence[str]) -> Iterator[str]:
    yield from _group_rule(request)
    if not any(isinstance(name, _DNS | _IP) for name in _other_names(request)):
        yield "DNS or IP subjectAltName is required"
    yield from _names_not_allowed(request, (_EMAIL, _URI))
    yield from _usages_rule(usages, _SERVER)
    yield from _node_rule(request)


def _group_rule(request: x509.CertificateSigningRequest) -> Iterator[str]:
    if groups_of(request) != [_NODES]:
        yield f"subject organization is not {_NODES}"


def _node_rule(request: x509.CertificateSigningRequest) -> Iterator[str]:
    if not common_name(request).startswith(_NODE_PREFIX):
        yield f"subject common name does not begin with {_NODE_PREFIX}"


def _usages_rule(usages: Sequence[str], needed: str) -> Iterator[str]:
    """Keys that are not of RSA encipher no others."""
    if set(usages) not in ({_SIGNATURE, needed}, {_SIGNATURE, _ENCIPHERMENT, needed}):
        yield f"usages did not match [{' '.join(sorted((_SIGNATURE, _ENCIPHERMENT, needed)))}]"


def _names_not_allowed(
    request: x509.CertificateSigningRequest, kinds: tuple[type[x509.GeneralName], ...]
) -> Iterator[str]:
    for kind in kinds:
        if any(isinstance(name, kind) for name in _other_names(request)):
            yield f"{_NAMES[kind]} subjectAltNames are not allowed"


def _other_names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """Of the kinds that Kubernetes reads."""
    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except ValueError as error:
        raise RequestError(f"the request's extensions cannot be read: {error}") from error
    return [name for name in found if isinstance(name, _DNS | _EMAIL | _IP | _URI)]


_RULES: Final[dict[str, Callable[[x509.CertificateSigningRequest, Sequence[str]], Iterator[str]]]] = {
    CLIENT_SIGNER: _client_rules,
    KUBELET_CLIENT_SIGNER: _kubelet_client_rules,
    KUBELET_SERVING_SIGNER: _kubelet_serving_rules,
}
SIGNERS: Final = frozenset(_RULES)
"""Those of Kubernetes itself. What others are named for is signed by whoever stands behind the name."""


class Authority:
    """The cluster's CA in a folder with `ca.crt` and `ca.key`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sign(
        self, request: x509.CertificateSigningRequest, usages: list[str], *, lifetime: timedelta, now: datetime
    ) -> bytes:
        """PEM of a certificate, at most a year long. Raises OSError, ValueError; RequestError for the request."""
        key = request.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
            raise RequestError("the public key is not of RSA, an elliptic curve or Ed25519")
        authority = load((self._folder / "ca.crt").read_bytes(), (self._folder / "ca.key").read_bytes())
        builder = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(authority.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + min(lifetime, LONGEST))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(usages), critical=True)
            .add_extension(_extended_usage(usages), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
            )
        )
        if names := _other_names(request):
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not list(request.subject))
        return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _key_usage(usages: Sequence[str]) -> x509.KeyUsage:
    asked = {_KEY_USAGES[usage] for usage in usages if usage in _KEY_USAGES} or {"digital_signature"}
    return x509.KeyUsage(**{name: name in asked for name in _KEY_USAGES.values()})


def _extended_usage(usages: Sequence[str]) -> x509.ExtendedKeyUsage:
    return x509.ExtendedKeyUsage([_EXTENDED_USAGES[usage] for usage in usages if usage in _EXTENDED_USAGES])
