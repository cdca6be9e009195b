"""Where Kong's `proxy_listen` and `stream_listen` have the gateway listen."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade.kong_conf.listen import Listen, listens, stream_listens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8000", (Listen("127.0.0.1", 8000),)),
        (
            "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport",
            (Listen("0.0.0.0", 8000, backlog=16384), Listen("0.0.0.0", 8443, ssl=True, http2=True)),
        ),
        ("[::]:8000 proxy_protocol", (Listen("::", 8000, proxy_protocol=True),)),
        ("[::]:80 ipv6only=off", (Listen("::", 80, takes_ipv4_too=True),)),
        ("0.0.0.0:80 ipv6only=off", (Listen("0.0.0.0", 80),)),
        ("0.0.0.0:80,[::]:80", (Listen("0.0.0.0", 80), Listen("::", 80))),
        ("127.0.0.1:80 deferred bind ipv6only=on so_keepalive=30m::10", (Listen("127.0.0.1", 80),)),
    ],
)
def test_listeners_and_their_flags(text: str, expected: tuple[Listen, ...]) -> None:
    assert listens(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("off", "would serve nothing"),
        ("", "would serve nothing"),
        ("8000", "'8000' is not an IP address and a port"),
        ("localhost:8000", "'localhost' is not an IP address"),
        ("0.0.0.0:0", "'0.0.0.0:0' is not an IP address and a port"),
        ("0.0.0.0:65536", "'0.0.0.0:65536' is not"),
        ("0.0.0.0:8000 udp", "has udp, which is not offered there"),
        ("0.0.0.0:8000 backlog=0", "'backlog=0' is no flag"),
        ("0.0.0.0:8000 backlog=99999999999", "is no flag"),
        ("0.0.0.0:8000, 127.0.0.1:8000", "127.0.0.1:8000 is taken twice"),
        ("[::]:8000 ipv6only=off, 0.0.0.0:8000", "is taken twice"),
    ],
)
def test_what_is_no_listener(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("[", r"\[")):
        listens(text)


@given(st.text(alphabet="0123456789.:[]abcdef ,=sl", max_size=40))
def test_any_text_is_listeners_or_a_reason(text: str) -> None:
    with suppress(ValueError):
        assert all(0 < listen.port < 65536 for listen in listens(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", ()),
        ("0.0.0.0:9000", (Listen("0.0.0.0", 9000),)),
        ("0.0.0.0:9443 ssl reuseport backlog=7", (Listen("0.0.0.0", 9443, ssl=True, backlog=7),)),
        ("0.0.0.0:53, 0.0.0.0:53 udp", (Listen("0.0.0.0", 53), Listen("0.0.0.0", 53, udp=True))),
    ],
)
def test_listeners_of_streams(text: str, expected: tuple[Listen, ...]) -> None:
    assert stream_listens(text) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.0.0.0:9000 http2", "0.0.0.0:9000 has http2, which is not offered there"),
        ("0.0.0.0:9000 udp ssl", "goes neither with ssl"),
        ("0.0.0.0:9000 udp proxy_protocol", "nor with proxy_protocol"),
        ("0.0.0.0:53 udp, 1.2.3.4:53 udp", "1.2.3.4:53 is taken twice"),
    ],
)
def test_what_no_listener_of_streams_can_be(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        stream_listens(text)
