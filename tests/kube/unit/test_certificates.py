"""Certificates as a strict verifier sees them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from crossfade_kube.certificates import Certified, issue, load, make_authority

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


def named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@pytest.fixture(scope="module", params=[0, None])
def authority(request: pytest.FixtureRequest) -> Certified:
    return make_authority(named("authority"), now=NOW, lifetime=10 * YEAR, path_length=request.param)


def served(authority: Certified) -> Certified:
    names = [x509.DNSName("hook.default.svc")]
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    return issue(authority, named("hook"), usages=(usage,), names=names, now=NOW, lifetime=YEAR)


@pytest.mark.parametrize("moment", [NOW - timedelta(minutes=9), NOW, NOW + YEAR])
def test_a_server_is_trusted_under_its_name(authority: Certified, moment: datetime) -> None:
    policy = PolicyBuilder().store(Store([authority.certificate])).time(moment)
    chain = policy.build_server_verifier(x509.DNSName("hook.default.svc")).verify(served(authority).certificate, [])
    assert chain[-1] == authority.certificate


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        (NOW, "other.default.svc"),
        (NOW + YEAR + timedelta(seconds=1), "hook.default.svc"),
        (NOW - timedelta(minutes=11), "hook.default.svc"),
    ],
)
def test_a_server_is_not_trusted_otherwise(authority: Certified, moment: datetime, name: str) -> None:
    policy = PolicyBuilder().store(Store([authority.certificate])).time(moment)
    with pytest.raises(VerificationError):
        policy.build_server_verifier(x509.DNSName(name)).verify(served(authority).certificate, [])


def test_a_client_is_no_server(authority: Certified) -> None:
    client = issue(authority, named("robot"), usages=(ExtendedKeyUsageOID.CLIENT_AUTH,), now=NOW, lifetime=YEAR)
    usage = client.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    client.certificate.verify_directly_issued_by(authority.certificate)


def test_what_was_written_is_read(authority: Certified) -> None:
    read = load(authority.certificate_pem, authority.key_pem)
    assert read.certificate == authority.certificate
    assert read.key.private_numbers() == authority.key.private_numbers()


@pytest.mark.parametrize("pem", [b"", b"nothing", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(authority: Certified, pem: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        load(pem, authority.key_pem)
    with pytest.raises((ValueError, TypeError)):
        load(authority.certificate_pem, pem)
