from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from crossfade.certs.ca import KeyPair, create_authority
from crossfade.certs.issuer import ServerCertificates, issue_server_certificate, renewed

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = ("service.namespace.svc", "a-rather-long-service-name.some-namespace.svc.cluster.local.example.org")


def fresh(now: datetime = NOW, names: tuple[str, ...] = NAMES) -> ServerCertificates:
    return renewed(None, names, common_name="test", now=now)


@pytest.fixture(scope="module")
def current() -> ServerCertificates:
    return fresh()


def test_a_certificate_is_signed_by_the_authority_and_names_the_server(current: ServerCertificates) -> None:
    certificate = x509.load_pem_x509_certificate(current.server.certificate_pem)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(current.authority.certificate_pem))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(names.get_values_for_type(x509.DNSName)) == NAMES


def test_what_serves_is_kept(current: ServerCertificates) -> None:
    assert renewed(current, NAMES[:1], common_name="test", now=NOW + timedelta(days=200)) is current


def other_authority(current: ServerCertificates) -> ServerCertificates:
    return ServerCertificates(create_authority("other", now=NOW), current.server)


def other_key(current: ServerCertificates) -> ServerCertificates:
    key = issue_server_certificate(current.authority, NAMES, now=NOW).key_pem
    return ServerCertificates(current.authority, KeyPair(current.server.certificate_pem, key))


@pytest.mark.parametrize("change", [other_authority, other_key])
def test_a_server_certificate_that_does_not_fit_is_made_anew(
    current: ServerCertificates, change: Callable[[ServerCertificates], ServerCertificates]
) -> None:
    changed = change(current)
    found = renewed(changed, NAMES, common_name="test", now=NOW)
    assert found.authority == changed.authority
    assert found.server != changed.server


@pytest.mark.parametrize(
    ("later", "names"),
    [(timedelta(days=250), NAMES), (timedelta(0), (*NAMES, "another.name")), (timedelta(days=-1), NAMES)],
)
def test_an_old_or_incomplete_certificate_is_made_anew(
    current: ServerCertificates, later: timedelta, names: tuple[str, ...]
) -> None:
    assert renewed(current, names, common_name="test", now=NOW + later).server != current.server


def test_the_authority_stays_as_long_as_it_outlives_what_it_signs(current: ServerCertificates) -> None:
    nearly = renewed(current, NAMES, common_name="test", now=NOW + timedelta(days=2900))
    ended = renewed(current, NAMES, common_name="test", now=NOW + timedelta(days=3000))
    assert nearly.authority == current.authority
    assert ended.authority != current.authority


def test_garbage_is_replaced() -> None:
    garbage = ServerCertificates(KeyPair(b"x", b"y"), KeyPair(b"x", b"y"))
    assert renewed(garbage, NAMES, common_name="test", now=NOW).authority != garbage.authority


def test_keys_are_never_shown(current: ServerCertificates) -> None:
    assert "PRIVATE" not in repr(current)
