"""Where the gateway listens: Kong's `proxy_listen`, `stream_listen`, `admin_listen` and `status_listen`."""

import ipaddress
import re
from itertools import combinations
from typing import Final, NamedTuple

from crossfade.kong_conf.values import OFF, words

_TUNING: Final = "reuseport, deferred, bind, backlog=N, ipv6only=on|off, so_keepalive=…"
_PROXY_FLAGS: Final = ("ssl", "http2", "proxy_protocol")
_ADMIN_FLAGS: Final = ("ssl", "http2")
_STREAM_FLAGS: Final = ("ssl", "udp", "proxy_protocol")
_ALL_FLAGS: Final = frozenset({*_PROXY_FLAGS, *_STREAM_FLAGS})
# Envoy opens a socket for each worker as with `reuseport`; the others tune nginx' sockets.
_WITHOUT_EFFECT: Final = re.compile(r"reuseport|deferred|bind|ipv6only=on|so_keepalive=(on|off|\w*:\w*:\d*)")
_ENTRY: Final = re.compile(r"(?P<address>\[[0-9a-fA-F:.]+\]|[^\s\[\]]+):(?P<port>\d{1,5})", re.ASCII)
_MOST: Final = 256
_LARGEST_BACKLOG: Final = 2**31 - 1


class Listen(NamedTuple):
    """One address. `ssl` takes TLS, `http2` also HTTP/2, `proxy_protocol` wants the PROXY protocol first, `udp` takes
    datagrams instead of connections.

    `backlog` is how many connections may wait to be accepted; None leaves it to the system.
    """

    address: str
    port: int
    ssl: bool = False
    http2: bool = False
    proxy_protocol: bool = False
    backlog: int | None = None
    takes_ipv4_too: bool = False
    """Of an IPv6 address: `ipv6only=off`."""
    udp: bool = False

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def listens(text: str) -> tuple[Listen, ...]:
    """Raises ValueError with a text that says what is allowed."""
    entries = words(text)
    if not entries or entries[0] == OFF:
        raise ValueError("without a listener the gateway would serve nothing; give addresses like 0.0.0.0:8000")
    return _apart(tuple(_listen(entry, _PROXY_FLAGS) for entry in entries))


def stream_listens(text: str) -> tuple[Listen, ...]:
    """As `listens`, of streams; `off` is none."""
    entries = words(text)
    if not entries or entries == (OFF,):
        return ()
    found = _apart(tuple(_listen(entry, _STREAM_FLAGS) for entry in entries))
    for listen in found:
        if listen.udp and (listen.ssl or listen.proxy_protocol):
            raise ValueError(f"{listen} has udp, which goes neither with ssl nor with proxy_protocol")
    return found


def admin_listens(text: str) -> tuple[Listen, ...]:
    """As `listens`, of Kong's Admin API; `off` is none."""
    return _optional(text, _ADMIN_FLAGS)


def status_listens(text: str) -> tuple[Listen, ...]:
    """As `admin_listens`, of the status pages, which Envoy serves in clear."""
    return _optional(text, ())


def _optional(text: str, flags_known: tuple[str, ...]) -> tuple[Listen, ...]:
    entries = words(text)
    return () if not entries or entries == (OFF,) else _apart(tuple(_listen(entry, flags_known) for entry in entries))


def _apart(found: tuple[Listen, ...]) -> tuple[Listen, ...]:
    if len(found) > _MOST:
        raise ValueError(f"it names {len(found)} addresses; there can be {_MOST}")
    for one, other in combinations(found, 2):
        if are_rivals(one, other):
            raise ValueError(f"{other} is taken twice: each listener needs an address and port of its own")
    return found


def are_rivals(one: Listen, other: Listen) -> bool:
    """Of two listeners: whether only one of them can be opened."""
    return one.port == other.port and one.udp == other.udp and _overlap(one, other)


def _overlap(one: Listen, other: Listen) -> bool:
    first, second = ipaddress.ip_address(one.address), ipaddress.ip_address(other.address)
    if first.version != second.version:
        six = one if first.version == 6 else other
        return six.takes_ipv4_too and ipaddress.ip_address(six.address).is_unspecified
    return first == second or first.is_unspecified or second.is_unspecified


def _listen(entry: str, flags_known: tuple[str, ...]) -> Listen:
    where, *flags = entry.split()
    match = _ENTRY.fullmatch(where)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ValueError(f"{where!r} is not an IP address and a port like 0.0.0.0:8000 or [::]:8000")
    address = _address(match["address"])
    found = Listen(address, int(match["port"]))
    for flag in flags:
        found = _with_flag(found, flag, flags_known)
    return found


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address like 127.0.0.1 or 0.0.0.0") from None


def _with_flag(listen: Listen, flag: str, known: tuple[str, ...]) -> Listen:
    name, _, value = flag.partition("=")
    if name == "backlog" and re.fullmatch(r"\d{1,10}", value, re.ASCII) and 0 < int(value) <= _LARGEST_BACKLOG:
        return listen._replace(backlog=int(value))
    if flag == "ipv6only=off":
        return listen._replace(takes_ipv4_too=":" in listen.address)
    if flag in known:
        return Listen(**(listen._asdict() | {flag: True}))
    if _WITHOUT_EFFECT.fullmatch(flag):
        return listen
    if flag in _ALL_FLAGS:
        raise ValueError(f"{listen} has {flag}, which is not offered there")
    raise ValueError(f"{flag!r} is no flag of a listener; there are {', '.join((*known, _TUNING))}")
