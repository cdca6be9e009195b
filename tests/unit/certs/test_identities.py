"""Identities of sidecars and their authority, in the course of time."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from crossfade.certs.ca import KeyPair
from crossfade.certs.identities import (
    AUTHORITY_LIFETIME,
    LONGEST_IDENTITY,
    IdentityAuthority,
    UnfitError,
    identity_from_answer,
    identity_request,
    issue_identity,
    renewal_share,
    renewed_authority,
)
from crossfade_kube.certificates import load

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NAME = "spiffe://shop/ns/prod/virtual-node/" + "front." * 40


def renewed(
    stored: IdentityAuthority | None, remembered: IdentityAuthority | None = None, now: datetime = NOW
) -> IdentityAuthority:
    return renewed_authority(stored, remembered, identity_lifetime=DAY, now=now)


def test_an_identity_is_an_x509_svid() -> None:
    authority = renewed(None)
    issued = issue_identity(authority, NAME, lifetime=DAY, now=NOW)
    certificate, key = load(issued.certificate_pem.encode(), issued.key_pem.encode())
    assert key.public_key() == certificate.public_key()
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.current.certificate_pem))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(NAME)]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert certificate.not_valid_after_utc == issued.ends_at == NOW + DAY
    assert issued.authorities_pem == authority.trusted_pem.decode()
    assert "PRIVATE" not in repr(issued)


@pytest.mark.parametrize("name", ["a", "b", NAME, ""])
def test_renewals_are_spread_around_the_half_of_a_life(name: str) -> None:
    assert 0.4 <= renewal_share(name) <= 0.6


def test_an_authority_that_serves_is_kept() -> None:
    authority = renewed(None)
    for stored, remembered in ((authority, None), (authority, authority), (authority, renewed(None))):
        assert renewed(stored, remembered, NOW + AUTHORITY_LIFETIME * 0.6) is authority


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_former_authority_vouches_for_its_successor_and_is_trusted_until_what_it_signed_is_over(
    is_lost: bool,
) -> None:
    first = renewed(None)
    moment = NOW + AUTHORITY_LIFETIME * (0.1 if is_lost else 0.7)
    second = renewed(None if is_lost else first, first, moment)
    assert second.current != first.current
    assert second.trusted_pem == second.current.certificate_pem + first.current.certificate_pem
    bridge = x509.load_pem_x509_certificate(second.bridge_pem)
    bridge.verify_directly_issued_by(x509.load_pem_x509_certificate(first.current.certificate_pem))
    issued = issue_identity(second, NAME, lifetime=DAY, now=moment)
    leaf, shown = x509.load_pem_x509_certificates(issued.certificate_pem.encode())
    assert shown == bridge
    leaf.verify_directly_issued_by(bridge)
    assert renewed(second, second, moment + DAY) is second
    assert renewed(second, second, moment + DAY + timedelta(hours=1)) == IdentityAuthority(second.current)


def unreadable(authority: IdentityAuthority) -> IdentityAuthority:
    return IdentityAuthority(KeyPair(b"x", authority.current.key_pem))


def of_another_key(authority: IdentityAuthority) -> IdentityAuthority:
    return IdentityAuthority(KeyPair(authority.current.certificate_pem, renewed(None).current.key_pem))


@pytest.mark.parametrize("spoil", [unreadable, of_another_key])
def test_what_cannot_be_used_is_replaced(spoil: object) -> None:
    first = renewed(None)
    assert callable(spoil)
    spoilt = spoil(first)
    alone, after = renewed(spoilt), renewed(spoilt, first)
    assert alone.former_pem == b""
    assert after.former_pem == first.current.certificate_pem


def test_no_identity_outlives_who_signed_it() -> None:
    last = NOW + AUTHORITY_LIFETIME - AUTHORITY_LIFETIME / 3 - timedelta(seconds=1)
    authority = renewed(None)
    assert renewed(authority, None, last) is authority
    ends = x509.load_pem_x509_certificate(authority.current.certificate_pem).not_valid_after_utc
    assert last + LONGEST_IDENTITY < ends


def test_a_request_names_the_identity_and_nothing_else() -> None:
    made = identity_request(NAME)
    request = x509.load_pem_x509_csr(made.certificate_pem)
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.UniformResourceIdentifier(NAME)]


def signed(name: str = NAME, now: datetime = NOW) -> tuple[bytes, bytes, bytes]:
    """Key, certificate, authority."""
    authority = renewed(None)
    issued = issue_identity(authority, name, lifetime=DAY, now=now)
    return issued.key_pem.encode(), issued.certificate_pem.encode(), authority.current.certificate_pem


def test_what_an_issuer_gives_is_renewed_by_its_own_end() -> None:
    key, certificate, authority = signed()
    found = identity_from_answer(NAME, key, certificate, authority, now=NOW + DAY / 2)
    assert found.ends_at == NOW + DAY
    assert NOW + DAY / 2 < found.renewed_at < NOW + DAY
    assert found.authorities_pem == authority.decode()
    # A chain that ends with its root says by itself whom to believe.
    assert identity_from_answer(NAME, key, certificate + authority, b"", now=NOW).authorities_pem == authority.decode()


UNFIT = {
    "no PEM": (lambda key, _, ca: (key, b"x", ca), "it has no certificate that can be read"),
    "empty": (lambda key, _, ca: (key, b"", ca), "it has no certificate that can be read"),
    "no authority": (lambda key, cert, _: (key, cert, b""), "status.ca is empty"),
    "another key": (lambda _, cert, ca: (signed()[0], cert, ca), "is not for the key that was made"),
    "another name": (lambda *_: signed(NAME + "2"), "as its only name"),
    "ended": (lambda *_: signed(now=NOW - 2 * DAY), "the certificate is not valid now"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_cannot_serve_is_refused(case: str) -> None:
    spoil, text = UNFIT[case]
    key, certificate, authority = spoil(*signed())
    with pytest.raises(UnfitError, match=text):
        identity_from_answer(NAME, key, certificate, authority, now=NOW)
