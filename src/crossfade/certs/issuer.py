"""Server certificates of an authority, and the decision when they must be made anew."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from crossfade.certs.ca import KeyPair, certificate_builder, create_authority, key_pair, key_usage

SERVER_LIFETIME: Final = timedelta(days=365)
# Renewed with this much of the life left, so that a controller that was off for weeks still finds a valid one.
_RENEWED_BEFORE_END: Final = SERVER_LIFETIME / 3
# The authority outlives every server certificate that it signs.
_AUTHORITY_RENEWED_BEFORE_END: Final = 2 * SERVER_LIFETIME
_MAX_COMMON_NAME_LENGTH: Final = 64


class ServerCertificates(Struct, frozen=True):
    """What a server presents, and the authority that its clients trust."""

    authority: KeyPair
    server: KeyPair


def issue_server_certificate(authority: KeyPair, dns_names: Iterable[str], *, now: datetime) -> KeyPair:
    """A certificate for all of the names, valid for one year."""
    names = tuple(dns_names)
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem)
    issuer_key = _private_key(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_MAX_COMMON_NAME_LENGTH])])
    certificate = (
        certificate_builder(subject, key.public_key(), now=now, lifetime=SERVER_LIFETIME)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return key_pair(certificate, key)


def renewed(
    current: ServerCertificates | None, dns_names: Iterable[str], *, common_name: str, now: datetime
) -> ServerCertificates:
    """`current` itself while it serves; else new certificates, under the same authority as long as that holds."""
    names = tuple(dns_names)
    if current is None or not _is_authority_usable(current.authority, now):
        authority = create_authority(common_name, now=now)
        return ServerCertificates(authority, issue_server_certificate(authority, names, now=now))
    if _is_server_usable(current, names, now):
        return current
    return ServerCertificates(current.authority, issue_server_certificate(current.authority, names, now=now))


def _is_authority_usable(authority: KeyPair, now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate_pem)
        matches = _private_key(authority).public_key() == certificate.public_key()
    except (ValueError, TypeError):
        return False
    return matches and _lasts(certificate, now, _AUTHORITY_RENEWED_BEFORE_END)


def _is_server_usable(current: ServerCertificates, dns_names: tuple[str, ...], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(current.server.certificate_pem)
        issuer = x509.load_pem_x509_certificate(current.authority.certificate_pem)
        certificate.verify_directly_issued_by(issuer)
        matches = _private_key(current.server).public_key() == certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    covered = set(names.get_values_for_type(x509.DNSName))
    return matches and covered >= set(dns_names) and _lasts(certificate, now, _RENEWED_BEFORE_END)


def _lasts(certificate: x509.Certificate, now: datetime, margin: timedelta) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - margin


def _private_key(pair: KeyPair) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pair.key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the private key is not one of an elliptic curve")
    return key
