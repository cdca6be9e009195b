"""Certificates with their keys, as Secrets hold them and as Envoy takes them."""

from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from crossfade.compile.model import ServerCertificate
from crossfade_kube.core.secret import Secret

PARTS: Final = ("tls.crt", "tls.key")
_LEAST_RSA_BITS: Final = 2048
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


class Lasting(NamedTuple):
    """When a certificate can be shown."""

    begins_at: datetime
    ends_at: datetime


class UnusableError(Exception):
    """Why a certificate cannot be served; the text shows nothing of the key."""


def certificate_from_secret(secret: Secret) -> ServerCertificate:
    """As it stands, without references to vaults. Raises `UnusableError`."""
    chain_pem, key_pem = (pem_of(secret, name) for name in PARTS)
    check_pair(chain_pem, key_pem)
    return ServerCertificate(chain_pem, key_pem)


def pem_of(secret: Secret, name: str) -> str:
    """PEM is ASCII; comments around it may be anything, and Envoy gets none of them. Raises `UnusableError`."""
    if name not in secret.data:
        raise UnusableError(f"{name} is missing")
    return secret.data[name].decode("ascii", "replace").replace("\N{REPLACEMENT CHARACTER}", "?")


def check_pair(chain_pem: str, key_pem: str) -> None:
    """Raises UnusableError for what Envoy would refuse: it takes RSA keys of 2048 bits and more, and three curves."""
    try:
        chain = x509.load_pem_x509_certificates(chain_pem.encode())
        key = load_pem_private_key(key_pem.encode(), None)
        ours, theirs = key.public_key(), chain[0].public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableError("tls.crt or tls.key is not valid PEM of a kind that is known") from None
    if _encoded(ours) != _encoded(theirs):
        raise UnusableError("tls.key does not belong to tls.crt")
    is_rsa = isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _LEAST_RSA_BITS
    is_curve = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, _CURVES)
    if not is_rsa and not is_curve:
        raise UnusableError("the key is neither RSA with 2048 bits or more nor on the curves P-256, P-384 or P-521")


def authorities_from_secret(secret: Secret) -> str:
    """The certificates of `ca.crt`, anew as PEM. Raises `UnusableError`."""
    try:
        found = x509.load_pem_x509_certificates(pem_of(secret, "ca.crt").encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableError("ca.crt is not valid PEM") from None
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in found)


def lasting(secret: Secret, name: str) -> Lasting | None:
    """Of a chain its first certificate, of authorities the one that lasts longest; None where none can be read."""
    try:
        found = x509.load_pem_x509_certificates(pem_of(secret, name).encode())
        spans = [Lasting(one.not_valid_before_utc, one.not_valid_after_utc) for one in found]
    except (ValueError, UnsupportedAlgorithm, UnusableError):
        return None
    return spans[0] if name in PARTS else max(spans, key=lambda span: span.ends_at)


def _encoded(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
