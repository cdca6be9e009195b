"""Certificates by request: what may be signed for clients of the API server, and the signing with the cluster's CA."""

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
LONGEST: Final = timedelta(days=365)
_BACKDATED: Final = timedelta(minutes=5)
_ALLOWED_USAGES: Final = frozenset({"client auth", "digital signature", "key encipherment"})


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


def check_client(request: x509.CertificateSigningRequest, usages: list[str]) -> None:
    """By the rules of `kubernetes.io/kube-apiserver-client`; raises RequestError."""
    if "client auth" not in usages or not set(usages) <= _ALLOWED_USAGES:
        allowed = ", ".join(sorted(_ALLOWED_USAGES))
        raise RequestError(f"usages must include client auth and be of: {allowed}")
    if not request.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        raise RequestError("the subject has no common name, which would be the user's name")


class Authority:
    """The cluster's CA in a folder with `ca.crt` and `ca.key`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def sign(
        self, request: x509.CertificateSigningRequest, usages: list[str], *, lifetime: timedelta, now: datetime
    ) -> bytes:
        """PEM of a client's certificate, at most a year long. Raises OSError, ValueError; RequestError for the key."""
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
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
            )
        )
        return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _key_usage(usages: list[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital signature" in usages or "key encipherment" not in usages,
        key_encipherment="key encipherment" in usages,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
