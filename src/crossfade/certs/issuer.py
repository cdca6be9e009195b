"""Server certificates of an authority, and the decision when they must be made anew."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from crossfade.certs.ca import KeyPair, create_authority, key_pair
from crossfade_kube.certificates import issue, load, vouch_for

SERVER_LIFETIME: Final = timedelta(days=365)
# Renewed with this much of the life left, so that a controller that was off for weeks still finds a valid one.
_RENEWED_BEFORE_END: Final = SERVER_LIFETIME / 3
# The authority outlives every server certificate that it signs.
_AUTHORITY_RENEWED_BEFORE_END: Final = 2 * SERVER_LIFETIME
_MAX_COMMON_NAME_LENGTH: Final = 64


class ServerCertificates(Struct, frozen=True):
    """What a server presents, and the authority that its clients trust.

    After the authority's own renewal the server shows a certificate more, for clients that know the former one only.
    """

    authority: KeyPair
    server: KeyPair


def issue_server_certificate(authority: KeyPair, dns_names: Iterable[str], *, now: datetime) -> KeyPair:
    """A certificate for all of the names, valid for one year."""
    names = tuple(dns_names)
    made = issue(
        load(authority.certificate_pem, authority.key_pem),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_MAX_COMMON_NAME_LENGTH])]),
        usages=(ExtendedKeyUsageOID.SERVER_AUTH,),
        names=[x509.DNSName(name) for name in names],
        now=now,
        lifetime=SERVER_LIFETIME,
    )
    return key_pair(made)


def renewed(
    current: ServerCertificates | None,
    dns_names: Iterable[str],
    *,
    common_name: str,
    now: datetime,
    former: ServerCertificates | None = None,
) -> ServerCertificates:
    """`current` itself while it serves; else new certificates, under the same authority as long as that holds.

    `former` stands for `current` where that was lost and clients may know its authority.
    """
    names = tuple(dns_names)
    if current is None or not _is_authority_usable(current.authority, now):
        authority, before = create_authority(common_name, now=now), current or former
        bridge = b"" if before is None else _bridge(before.authority, authority, now)
        return ServerCertificates(authority, _with_bridge(issue_server_certificate(authority, names, now=now), bridge))
    if _is_server_usable(current, names, now):
        return current
    server = issue_server_certificate(current.authority, names, now=now)
    return ServerCertificates(current.authority, _with_bridge(server, _kept_bridge(current, now)))


def _with_bridge(server: KeyPair, bridge: bytes) -> KeyPair:
    return KeyPair(server.certificate_pem + bridge, server.key_pem)


def _bridge(former: KeyPair, authority: KeyPair, now: datetime) -> bytes:
    """Sidecars that run were told of the former authority, and are not told anew; empty where it counts no more."""
    if not _holds(former, now, timedelta(0)):
        return b""
    old = load(former.certificate_pem, former.key_pem)
    new = x509.load_pem_x509_certificate(authority.certificate_pem)
    if old.certificate.subject != new.subject:
        return b""
    return vouch_for(new, old, now=now).public_bytes(serialization.Encoding.PEM)


def _kept_bridge(current: ServerCertificates, now: datetime) -> bytes:
    try:
        key = x509.load_pem_x509_certificate(current.authority.certificate_pem).public_key()
        shown = x509.load_pem_x509_certificates(current.server.certificate_pem)[1:]
    except ValueError:
        return b""
    kept = (one for one in shown if one.public_key() == key and _lasts(one, now, timedelta(0)))
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in kept)


def _is_authority_usable(authority: KeyPair, now: datetime) -> bool:
    return _holds(authority, now, _AUTHORITY_RENEWED_BEFORE_END)


def _holds(authority: KeyPair, now: datetime, margin: timedelta) -> bool:
    try:
        certificate, key = load(authority.certificate_pem, authority.key_pem)
        matches = key.public_key() == certificate.public_key()
    except (ValueError, TypeError):
        return False
    return matches and _lasts(certificate, now, margin)


def _is_server_usable(current: ServerCertificates, dns_names: tuple[str, ...], now: datetime) -> bool:
    try:
        certificate, key = load(current.server.certificate_pem, current.server.key_pem)
        issuer = x509.load_pem_x509_certificate(current.authority.certificate_pem)
        certificate.verify_directly_issued_by(issuer)
        matches = key.public_key() == certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    covered = set(names.get_values_for_type(x509.DNSName))
    return matches and covered >= set(dns_names) and _lasts(certificate, now, _RENEWED_BEFORE_END)


def _lasts(certificate: x509.Certificate, now: datetime, margin: timedelta) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - margin
