"""The authority of a mesh's identities, and what it signs: X.509-SVIDs, for as long as a day by default.

Another authority may sign too: it is asked by a request, and its answer checked.
"""

from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from crossfade.certs.ca import KeyPair, key_pair
from crossfade_kube.certificates import issue, key_pem, load, load_key, make_authority, vouch_for

AUTHORITY_LIFETIME: Final = timedelta(days=365)
# Longer than any identity lasts, so that none outlives who signed it.
_RENEWED_BEFORE_END: Final = AUTHORITY_LIFETIME / 3
# All replicas have noticed the new authority, and signed anew.
_TAKING_OVER: Final = timedelta(minutes=20)
LONGEST_IDENTITY: Final = timedelta(days=30)
_AUTHORITY_NAME: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Crossfade mesh identities")])
_USAGES: Final = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
_MAX_COMMON_NAME_LENGTH: Final = 64


class IdentityAuthority(Struct, frozen=True):
    """Who signs, and what it takes that nobody notices a change of who signs.

    `former_pem` are authorities that are trusted beside the current one until what they have signed is over;
    `bridge_pem` is the current one's key signed by the one before, for peers that were not yet told of the current.
    """

    current: KeyPair
    former_pem: bytes = b""
    bridge_pem: bytes = b""

    @property
    def trusted_pem(self) -> bytes:
        return self.current.certificate_pem + self.former_pem


class IssuedIdentity(Struct, frozen=True):
    """In PEM; `authorities_pem` are those that peers are believed by. The key never appears in `repr`."""

    certificate_pem: str
    key_pem: str
    authorities_pem: str
    renewed_at: datetime
    ends_at: datetime

    def __repr__(self) -> str:
        return f"IssuedIdentity(***, until {self.ends_at:%Y-%m-%dT%H:%M:%SZ})"


def renewed_authority(
    stored: IdentityAuthority | None,
    remembered: IdentityAuthority | None,
    *,
    identity_lifetime: timedelta,
    now: datetime,
) -> IdentityAuthority:
    """`stored` itself while it serves; else a new one, which the one before vouches for.

    `remembered` is what was stored when it was last looked at: it stands in where that is gone or cannot be used.
    """
    before = next((one for one in (stored, remembered) if one is not None and _lasts(one.current, now)), None)
    if before is None or not _lasts(before.current, now + _RENEWED_BEFORE_END) or before is not stored:
        return _successor(before, now)
    signs_since = x509.load_pem_x509_certificate(before.current.certificate_pem).not_valid_before_utc
    if before.former_pem and now > signs_since + _TAKING_OVER + identity_lifetime:
        return IdentityAuthority(before.current)
    return before


def issue_identity(
    authority: IdentityAuthority, spiffe_id: str, *, lifetime: timedelta, now: datetime
) -> IssuedIdentity:
    """Renewed when about half of the life is over, each name at a moment of its own."""
    made = issue(
        load(authority.current.certificate_pem, authority.current.key_pem),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(spiffe_id))]),
        usages=_USAGES,
        names=[x509.UniformResourceIdentifier(spiffe_id)],
        now=now,
        lifetime=lifetime,
    )
    return IssuedIdentity(
        (made.certificate_pem + authority.bridge_pem).decode(),
        made.key_pem.decode(),
        authority.trusted_pem.decode(),
        renewed_at=now + lifetime * renewal_share(spiffe_id),
        ends_at=now + lifetime,
    )


class UnfitError(Exception):
    """What an authority has signed cannot serve as the identity that it was asked for; the text says why."""


def identity_request(spiffe_id: str) -> KeyPair:
    """A request for a signature in place of the certificate (PKCS #10), and the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _common_name(spiffe_id))]))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(request.public_bytes(Encoding.PEM), key_pem(key))


def identity_from_answer(
    spiffe_id: str, key: bytes, certificate_pem: bytes, authority_pem: bytes, *, now: datetime
) -> IssuedIdentity:
    """`authority_pem` may be empty where the chain ends with it. Raises UnfitError."""
    try:
        leaf, *chain = x509.load_pem_x509_certificates(certificate_pem)
        authorities = x509.load_pem_x509_certificates(authority_pem) if authority_pem else _roots(chain)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        is_own = load_key(key).public_key() == leaf.public_key()
    except (ValueError, TypeError, x509.ExtensionNotFound) as problem:
        raise UnfitError(f"it has no certificate that can be read, with a name in it ({problem})") from None
    if list(names) != [x509.UniformResourceIdentifier(spiffe_id)] or not is_own:
        raise UnfitError(f"the certificate is not for the key that was made, with {spiffe_id} as its only name")
    if not authorities:
        raise UnfitError("nothing says by whose certificate peers can believe it: status.ca is empty")
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        raise UnfitError("the certificate is not valid now")
    left = leaf.not_valid_after_utc - now
    return IssuedIdentity(
        "".join(_pem(one) for one in (leaf, *chain)),
        key.decode(),
        "".join(map(_pem, authorities)),
        renewed_at=now + left * renewal_share(spiffe_id),
        ends_at=leaf.not_valid_after_utc,
    )


def _roots(chain: list[x509.Certificate]) -> list[x509.Certificate]:
    return [one for one in chain[-1:] if one.subject == one.issuer]


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _common_name(spiffe_id: str) -> str:
    return spiffe_id.rpartition("/")[2][:_MAX_COMMON_NAME_LENGTH]


def renewal_share(name: str) -> float:
    """0.4 to 0.6 of a lifetime: not all are due at once."""
    return 0.4 + 0.2 * int.from_bytes(blake2b(name.encode(), digest_size=2).digest()) / 0xFFFF


def _successor(before: IdentityAuthority | None, now: datetime) -> IdentityAuthority:
    made = make_authority(_AUTHORITY_NAME, now=now, lifetime=AUTHORITY_LIFETIME, path_length=0)
    if before is None:
        return IdentityAuthority(key_pair(made))
    bridge = vouch_for(made.certificate, load(before.current.certificate_pem, before.current.key_pem), now=now)
    return IdentityAuthority(key_pair(made), before.trusted_pem, bridge.public_bytes(Encoding.PEM))


def _lasts(authority: KeyPair, until: datetime) -> bool:
    """It can be used, and that still then."""
    try:
        certificate, key = load(authority.certificate_pem, authority.key_pem)
        matches = key.public_key() == certificate.public_key()
    except (ValueError, TypeError):
        return False
    return matches and until < certificate.not_valid_after_utc
