"""What annotations that ask more than App Mesh did say, and what of it cannot be kept."""

import pytest

from crossfade.compile.mesh.asks import ALL, Ask, NotUnderstood, values
from crossfade.compile.mesh.body_limits import MAX_REQUEST_BYTES, read_size
from crossfade.compile.mesh.egress import Domain, read_domains
from crossfade.compile.mesh.faults import FAULT, read_fault
from crossfade.compile.mesh.rate_limits import RATE_LIMIT, ROUTE_RATE_LIMITS, read_rate_limit
from crossfade.compile.routing.routes import Fault, RateLimit

SIX = "from 2026-11-28T18:00:00Z for 15m"
START = 1_795_888_800


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"abort 503 5%, {SIX}", Fault(START, START + 900, abort_status=503, abort_percent=5)),
        (
            f"stop 35%, abort 503 5%, {SIX}",
            Fault(START, START + 900, abort_status=503, abort_percent=5, stop_percent=35),
        ),
        (f"  {SIX},delay   250ms 50% ", Fault(START, START + 900, delay_ms=250, delay_percent=50)),
        (
            "delay 60s 1%, abort 599 50%, from 2026-11-28T19:00:00+01:00 for 1h",
            Fault(START, START + 3600, delay_ms=60_000, delay_percent=1, abort_status=599, abort_percent=50),
        ),
    ],
)
def test_a_fault_is_read(text: str, found: Fault) -> None:
    assert read_fault(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        SIX,
        "abort 503 5%",
        f"abort 503, {SIX}",
        f"abort 503 5, {SIX}",
        f"abort 503 0%, {SIX}",
        f"abort 503 51%, {SIX}",
        f"abort 503 999999999999%, {SIX}",
        f"abort 200 5%, {SIX}",
        f"abort 503 5%, abort 504 5%, {SIX}",
        f"delay 0s 5%, {SIX}",
        f"delay 61s 5%, {SIX}",
        f"delay 1 5%, {SIX}",
        f"delay \u0661s 5%, {SIX}",
        f"reset 5%, {SIX}",
        "abort 503 5%, from 2026-11-28T18:00:00Z for 61m",
        "abort 503 5%, from 2026-11-28T18:00:00Z for 0s",
        "abort 503 5%, from 2026-11-28T18:00:00Z until 15m",
        "abort 503 5%, from 2026-11-28T18:00:00 for 15m",
        "abort 503 5%, from 2026-13-28T18:00:00Z for 15m",
        "abort 503 5%, from 0001-01-01T00:00:00+23:00 for 15m",
        "abort 503 5%, from now for 15m",
    ],
)
def test_what_is_no_fault_with_an_end_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        read_fault(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("100/s", RateLimit(100, 1, 100)),
        ("600/m burst 50", RateLimit(600, 60, 50)),
        ("1/h   burst 4294967295", RateLimit(1, 3600, 4294967295)),
    ],
)
def test_a_limit_is_read(text: str, found: RateLimit) -> None:
    assert read_rate_limit(text) == found


@pytest.mark.parametrize("text", ["", "100", "0/s", "-1/s", "4294967296/s", "1/d", "1/s burst", "1/s burst 0", "1.5/s"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        read_rate_limit(text)


@pytest.mark.parametrize(
    ("text", "found"), [("1", 1), ("64Ki", 65536), ("10M", 10_000_000), ("1Gi", 1 << 30), ("1024Mi", 1 << 30)]
)
def test_a_size_is_read(text: str, found: int) -> None:
    assert read_size(text) == found


@pytest.mark.parametrize("text", ["", "0", "2Gi", "9999999999999999999Gi", "1.5Mi", "1 Mi", "1mi", "-1"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        read_size(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("api.stripe.com", [Domain("api.stripe.com", 443, is_wild=False, is_http=False)]),
        ("API.Stripe.com.:443", [Domain("api.stripe.com", 443, is_wild=False, is_http=False)]),
        ("https://a.test:8443/", [Domain("a.test", 8443, is_wild=False, is_http=False)]),
        ("a.test:80,http://a.test", [Domain("a.test", 80, is_wild=False, is_http=True)]),
        ("https://a.test:80", [Domain("a.test", 80, is_wild=False, is_http=False)]),
        (
            "*.b.test\n http://*.a.test:65535 ,",
            [
                Domain("a.test", 65535, is_wild=True, is_http=True),
                Domain("b.test", 443, is_wild=True, is_http=False),
            ],
        ),
    ],
)
def test_domains_are_read(text: str, found: list[Domain]) -> None:
    assert list(read_domains(text)) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        " , ",
        "*",
        "*.",
        "*.*.a.test",
        "a.*.test",
        "a..test",
        "10.0.0.1",
        "10.0.0.1:443",
        "[::1]:443",
        "ftp://a.test",
        "a.test:0",
        "a.test:65536",
        "a.test:https",
        "a.test/path",
        "ä.test",
        "a" * 64 + ".test",
        ",".join(f"n{number}.test" for number in range(201)),
    ],
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        read_domains(text)


@pytest.mark.parametrize(
    ("ask", "text", "names"),
    [
        (RATE_LIMIT, "1/s", [ALL]),
        (RATE_LIMIT, "\n1/s\n\n 80: 2/s \n", [ALL, "80"]),
        (ROUTE_RATE_LIMITS, "to: the: shop: 1/s", None),
        (RATE_LIMIT, "1/s\n2/s", None),
        (RATE_LIMIT, "80: 1/s\n80: 2/s", None),
        (RATE_LIMIT, "", None),
        (RATE_LIMIT, "\n".join(f"{port}: 1/s" for port in range(1, 2002)), None),
        (MAX_REQUEST_BYTES, "80:1Mi", None),
        (FAULT, f"80: abort 503 5%, {SIX}", None),
    ],
)
def test_lines_are_for_one_name_or_for_all(ask: Ask, text: str, names: list[str] | None) -> None:
    if names is not None:
        assert list(values(ask, text, ask.read)) == names
        return
    with pytest.raises(NotUnderstood):
        values(ask, text, ask.read)
