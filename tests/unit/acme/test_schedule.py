"""When certificates are asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from crossfade.acme.schedule import LEAST_PAUSE_S, due, leftovers, pause_s
from crossfade.acme.settings import AcmeSettings
from crossfade.compile.gateway.acme_store import CERTIFICATE, CHALLENGE, FAILURE, Certificate, Failure, encoded

DAY_S = 86400.0
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
T0 = BEGIN.timestamp()
SETTINGS = AcmeSettings("ops@a.test", "https://ca.test/directory", True, "ecc", 4096, 14.0, 5.0)


def certificate(host: str = "a.test", days: float = 90, api_uri: str = SETTINGS.api_uri) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(BEGIN)
        .not_valid_after(BEGIN + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = Encoding.PEM
    private = key.private_bytes(pem, PrivateFormat.PKCS8, NoEncryption()).decode()
    return encoded(Certificate(made.public_bytes(pem).decode(), private, api_uri))


def failed(next_try: float, count: int = 1) -> bytes:
    return encoded(Failure("no", next_try, count))


@pytest.mark.parametrize(
    ("kept", "threshold_days", "expected_day"),
    [
        ({"certificate": certificate()}, 14, 76),
        ({"certificate": certificate()}, 0, 90),
        ({"certificate": certificate()}, -5, 90),
        ({"certificate": certificate()}, 60, 45),
        ({"certificate": certificate()}, 1e300, 45),
        ({"certificate": certificate(days=6)}, 14, 3),
        ({"certificate": certificate(api_uri="https://staging.test/directory")}, 14, None),
        ({"certificate": certificate("b.test")}, 14, None),
        ({"certificate": b"not json"}, 14, None),
        ({"certificate": encoded(Certificate("no PEM", "no PEM"))}, 14, None),
        ({}, 14, None),
        ({"failure": failed(T0 + 3 * DAY_S)}, 14, 3),
        ({"failure": failed(T0 + 80 * DAY_S), "certificate": certificate()}, 14, 80),
        ({"failure": failed(T0 + 1 * DAY_S), "certificate": certificate()}, 14, 76),
        # Written while the clock was far ahead.
        ({"failure": failed(T0 + 99_999 * DAY_S)}, 14, None),
        ({"failure": b"\xff"}, 14, None),
    ],
)
def test_when_a_host_is_due(kept: dict[str, bytes], threshold_days: float, expected_day: float | None) -> None:
    entries = {f"{kind}.a.test": content for kind, content in kept.items()}
    settings = replace(SETTINGS, renew_threshold_days=threshold_days)
    (found,) = due(entries, ["a.test"], settings, T0)
    assert found.at == (0.0 if expected_day is None else T0 + expected_day * DAY_S)


def test_what_is_wrong_with_a_certificate_is_said() -> None:
    entries = {
        f"{CERTIFICATE}a.test": certificate(),
        f"{CERTIFICATE}b.test": certificate("other.test"),
        f"{CERTIFICATE}c.test": b"moon",
    }
    found = {one.host: one for one in due(entries, ["a.test", "b.test", "c.test", "d.test"], SETTINGS, T0 + 91 * DAY_S)}
    assert found["a.test"].trouble == "it expired at 2026-04-01T00:00:00Z"
    assert found["b.test"].trouble == "it is not for b.test"
    assert found["c.test"].trouble == "it was not written by the gateway"
    assert found["d.test"].trouble is None
    assert [one.expires for one in found.values()].count(None) == 3


def test_hosts_that_never_failed_come_first() -> None:
    entries = {
        f"{FAILURE}a.test": failed(T0 - 10, count=3),
        f"{FAILURE}b.test": failed(T0 - 20, count=1),
        f"{FAILURE}c.test": failed(T0 + 20, count=1),
    }
    order = [one.host for one in due(entries, ["a.test", "b.test", "c.test", "d.test"], SETTINGS, T0)]
    assert order == ["d.test", "b.test", "a.test", "c.test"]


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e12))
def test_an_authority_is_never_asked_again_at_once(minutes: float, told_s: float) -> None:
    found = pause_s(minutes, told_s)
    assert LEAST_PAUSE_S <= found <= 10 * 365 * DAY_S
    assert found >= min(told_s, 10 * 365 * DAY_S)


def test_what_nobody_needs_any_more() -> None:
    entries: dict[str, Any] = {
        f"{CHALLENGE}token": b"a.b",
        f"{CERTIFICATE}a.test": certificate(),
        f"{CERTIFICATE}b.test": certificate("b.test", days=10),
        f"{CERTIFICATE}c.test": certificate("c.test"),
        f"{CERTIFICATE}d.test": b"moon",
        f"{FAILURE}a.test": failed(T0),
        f"{FAILURE}b.test": failed(T0),
        f"{FAILURE}c.test": failed(T0 + 99 * DAY_S),
        "account.1": b"{}",
        "else": b"",
    }
    gone = set(leftovers(entries, ["a.test"], T0 + 20 * DAY_S))
    assert gone == {f"{CHALLENGE}token", f"{CERTIFICATE}b.test", f"{CERTIFICATE}d.test", f"{FAILURE}b.test"}
