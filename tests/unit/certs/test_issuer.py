import ssl
import tempfile
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


def is_accepted(server: KeyPair, trusted: KeyPair) -> bool:
    """By a TLS client that knows `trusted` alone, at once."""
    client, shown = ssl.create_default_context(cadata=trusted.certificate_pem.decode()), server_context(server)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=NAMES[0]),
        shown.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return sides[0].cipher() is not None


def server_context(server: KeyPair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(server.certificate_pem + server.key_pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def test_clients_of_the_former_authority_accept_what_its_successor_signs() -> None:
    today = datetime.now(UTC)
    begun = today - timedelta(days=3000)
    first = fresh(begun)
    second = renewed(first, NAMES, common_name="test", now=today)
    third = renewed(second, (*NAMES, "another.name"), common_name="test", now=today)
    assert first.authority != second.authority == third.authority
    assert second.server != third.server
    for found in (second, third):
        assert is_accepted(found.server, first.authority)
        assert is_accepted(found.server, second.authority)
        assert not is_accepted(found.server, create_authority("test", now=today))


@pytest.mark.parametrize("days", [3660, -1])
def test_an_authority_out_of_its_time_vouches_for_nobody(days: int) -> None:
    found = renewed(fresh(), NAMES, common_name="test", now=NOW + timedelta(days=days))
    assert len(x509.load_pem_x509_certificates(found.server.certificate_pem)) == 1


def test_a_bridge_ends_with_the_authority_that_it_leads_to() -> None:
    second = renewed(fresh(), NAMES, common_name="test", now=NOW + timedelta(days=3000))
    later = renewed(second, NAMES, common_name="test", now=NOW + timedelta(days=3700))
    assert later.authority == second.authority
    shown = (second, later)
    assert [len(x509.load_pem_x509_certificates(one.server.certificate_pem)) for one in shown] == [2, 1]


def test_garbage_is_replaced() -> None:
    garbage = ServerCertificates(KeyPair(b"x", b"y"), KeyPair(b"x", b"y"))
    assert renewed(garbage, NAMES, common_name="test", now=NOW).authority != garbage.authority


def test_keys_are_never_shown(current: ServerCertificates) -> None:
    assert "PRIVATE" not in repr(current)
