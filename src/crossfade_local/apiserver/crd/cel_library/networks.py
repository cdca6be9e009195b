"""IP addresses and networks: no zones, no IPv4 in IPv6, no zeros before a number."""

import ipaddress
from collections.abc import Callable
from typing import Any, Final

from crossfade_local.apiserver.crd.cel_library.values import content_of, kind_of, made, text
from crossfade_local.apiserver.values.gotext import quoted

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def _address(value: str) -> _Address:
    try:
        found = ipaddress.ip_address(value)
    except ValueError as error:
        said = f"IP Address {quoted(value)} parse error during conversion from string"
        is_word = not set(value) & set(".:%")
        why = f": ParseAddr({quoted(value)}): unable to parse IP" if is_word else ""
        raise ValueError(f"{said}{why}") from error
    if isinstance(found, ipaddress.IPv6Address) and (found.scope_id or found.ipv4_mapped):
        raise ValueError(f"IP address {value!r}: zones and IPv4-mapped IPv6 addresses are not allowed")
    return found


def _network(value: str) -> _Network:
    address, slash, length = value.partition("/")
    if not slash or not length.isascii() or not length.isdigit() or (length[0] == "0" and length != "0"):
        raise ValueError(f"network address parse error during conversion from string: {value!r}")
    _address(address)
    try:
        return ipaddress.ip_interface(value)
    except ValueError as error:
        raise ValueError(f"network address parse error during conversion from string: {value!r}") from error


def _holds(read: Callable[[str], object], value: Any) -> bool:
    try:
        read(text(value))
    except ValueError:
        return False
    return True


def _ip(value: Any) -> dict[str, Any]:
    if kind_of(value) == "cidr":
        return made("ip", str(_of_network(value).ip))
    return made("ip", str(_address(text(value))))


def _of(value: Any) -> _Address:
    return _address(content_of("ip", value))


def _of_network(value: Any) -> _Network:
    return _network(content_of("cidr", value))


def _cidr(value: Any) -> dict[str, Any]:
    return made("cidr", str(_network(text(value))))


def _contains_ip(value: Any, inner: Any) -> bool:
    address = _address(inner) if isinstance(inner, str) else _of(inner)
    return address in _of_network(value).network


def _contains_cidr(value: Any, inner: Any) -> bool:
    found = _network(inner) if isinstance(inner, str) else _of_network(inner)
    network = _of_network(value).network
    return found.network.prefixlen >= network.prefixlen and found.ip in network


def _is_link_local_multicast(value: Any) -> bool:
    address = _of(value)
    if address.version == 4:
        return address in ipaddress.ip_network("224.0.0.0/24")
    return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02


def _is_global_unicast(value: Any) -> bool:
    address = _of(value)
    is_broadcast = address == ipaddress.ip_address("255.255.255.255")
    return not (
        is_broadcast or address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    )


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "ip": _ip,
    "isIP": lambda value: _holds(_address, value),
    "ip.isCanonical": lambda value: str(_address(text(value))) == value,
    "family": lambda value: _of(value).version,
    "isUnspecified": lambda value: _of(value).is_unspecified,
    "isLoopback": lambda value: _of(value).is_loopback,
    "isLinkLocalMulticast": _is_link_local_multicast,
    "isLinkLocalUnicast": lambda value: _of(value).is_link_local,
    "isGlobalUnicast": _is_global_unicast,
    "cidr": _cidr,
    "isCIDR": lambda value: _holds(_network, value),
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "masked": lambda value: made("cidr", str(_of_network(value).network)),
    "prefixLength": lambda value: _of_network(value).network.prefixlen,
}
