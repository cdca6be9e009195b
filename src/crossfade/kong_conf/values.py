"""How the texts of settings are read. Each reader raises ValueError with a text that says what is allowed."""

import ipaddress
import re
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

OFF: Final = "off"
_SWITCHES: Final = {"on": True, "true": True, OFF: False, "false": False}
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NETWORK: Final = re.compile(r"\[?([0-9a-fA-F:.]+)\]?(/\d{1,3})?")
_PORTS: Final = range(1, 65536)


def words(text: str) -> tuple[str, ...]:
    """A list with commas; empty parts do not count."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def beginning_of_variables(text: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z_-][A-Za-z0-9_-]*", text):
        raise ValueError("it can have letters, digits, - and _, and does not begin with a digit")
    return text


def switch(text: str) -> bool:
    try:
        return _SWITCHES[text.lower()]
    except KeyError:
        raise ValueError("it can be on or off") from None


def number(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII) or not low <= int(text) <= high:
            raise ValueError(f"it must be a whole number from {low} to {high}")
        return int(text)

    return read


_DECIMAL: Final = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)


def decimal(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not low <= float(text) <= high:
            raise ValueError(f"it must be a number from {low:g} to {high:g}")
        return float(text)

    return read


def one_of(**meanings: T) -> Callable[[str], T]:
    """What each word means."""

    def read(text: str) -> T:
        if text not in meanings:
            raise ValueError(f"it can be {', '.join(meanings)}")
        return meanings[text]

    return read


_SIZE: Final = re.compile(r"(\d{1,15})([kKmMgG]?)", re.ASCII)
_SIZE_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_TIME: Final = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,9})s?)?", re.ASCII)
_TIME_UNITS: Final = (86_400, 3600, 60, 1)


def size(text: str) -> int:
    """nginx' sizes, in bytes."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError("it must be a size like 8m, 512k or 1024; 0 is no limit")
    return int(match[1]) * _SIZE_UNITS[match[2].lower()]


def seconds(text: str) -> int:
    """nginx' times."""
    match = _TIME.fullmatch(text)
    if match is None or not text:
        raise ValueError("it must be a time like 1d, 12h, 5m or 30s")
    return sum(int(part or 0) * unit for part, unit in zip(match.groups(), _TIME_UNITS, strict=True))


def names_of(*known: str) -> Callable[[str], tuple[str, ...]]:
    """Some of these in any case, spelled as here; `off` stands for none."""
    by_lower = {name.lower(): name for name in known}

    def read(text: str) -> tuple[str, ...]:
        found = words(text)
        if OFF in found:
            return ()
        for word in found:
            if word.lower() not in by_lower:
                raise ValueError(f"{word!r} is not known; use off or some of {', '.join(known)}")
        return tuple(dict.fromkeys(by_lower[word.lower()] for word in found))

    return read


def networks(text: str) -> tuple[str, ...]:
    """Addresses stand for themselves alone. `unix:` is left out: no listener is a socket in the file system."""
    return tuple(network(word) for word in words(text) if word != "unix:")


def network(text: str) -> str:
    match = _NETWORK.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        return str(ipaddress.ip_network(f"{match[1]}{match[2] or ''}", strict=False))
    except ValueError:
        raise ValueError(f"{text!r} is neither an address nor a network like 10.0.0.0/8") from None


_NAME_SERVER: Final = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<four>[0-9.]+))(?::(?P<port>\d{1,5}))?", re.ASCII)
_DNS_PORT: Final = 53


def name_servers(text: str) -> tuple[tuple[str, int], ...]:
    """Addresses with their ports."""
    return tuple(_name_server(word) for word in words(text))


def _name_server(text: str) -> tuple[str, int]:
    match = _NAME_SERVER.fullmatch(text) or _NAME_SERVER.fullmatch(f"[{text}]")
    try:
        if match is None or (port := int(match["port"] or _DNS_PORT)) not in _PORTS:
            raise ValueError
        return str(ipaddress.ip_address(match["six"] or match["four"])), port
    except ValueError:
        raise ValueError(
            f"{text!r} is no address of a name server like 10.96.0.10, 10.0.0.1:5353 or [::1]:53"
        ) from None


_RECORDS: Final = ("LAST", "SRV", "A", "AAAA", "CNAME")


def record_types(text: str) -> tuple[str, ...]:
    """At least one of them is an address."""
    found = tuple(dict.fromkeys(word.upper() for word in words(text)))
    if not set(found) <= set(_RECORDS):
        raise ValueError(f"it must be some of {', '.join(_RECORDS)}")
    if not {"A", "AAAA"} & set(found):
        raise ValueError("it must have A or AAAA: names are looked up for addresses")
    return found


def absolute_path(text: str) -> str:
    if not text.startswith("/") or len(text.split()) != 1:
        raise ValueError("it must be /dev/stderr, /dev/stdout or another absolute path: there is no prefix")
    return text


def header_name(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError("it must be the name of a header like X-Forwarded-For")
    return text


def port_maps(text: str) -> tuple[tuple[int, int], ...]:
    """`80:8000`: clients reach by 80 what listens on 8000. Gives (8000, 80)."""
    return tuple(_port_map(word) for word in words(text))


def _port_map(text: str) -> tuple[int, int]:
    public, _, listening = text.partition(":")
    if not all(re.fullmatch(r"\d{1,5}", part, re.ASCII) and int(part) in _PORTS for part in (public, listening)):
        raise ValueError(f"{text!r} is no pair of ports like 80:8000, the public one first")
    return int(listening), int(public)
