"""Checks that several plugins' schemas share; each returns a problem's text or None."""

import ipaddress
import re
from typing import Final, Literal

from crossfade.api import bounds

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
# By which the end of a message or its receiver is found: the gateway writes them itself.
_RESERVED: Final = ("connection", "content-length", "host", "transfer-encoding", "upgrade")
_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{0,62}[A-Za-z0-9_]")
# RFC 1035.
_LONGEST_NAME: Final = 253
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_AUTHORITY: Final = re.compile(r"[^/?#\s]+(?=[/?#]|$)")
_INTERNAL: Final = ("x-crossfade-", "x-envoy-")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_name(name: str) -> str | None:
    if _HEADER_NAME.fullmatch(name):
        return None
    return f"bad header name '{name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"


def any_header_name(name: str) -> str | None:
    """Wider than Kong's own check, which not all its fields have."""
    return f"{name!a} is not a valid header" if isinstance(bounds.header_name(name), bounds.Misfit) else None


def free_header_name(name: str) -> str | None:
    """For names under which a plugin writes."""
    if name.lower().replace("_", "-") in _RESERVED:
        return f"the gateway itself sets the header {name}"
    return any_header_name(name)


def internal_header(name: str) -> str | None:
    """By these the gateway tells Envoy where a request goes."""
    return f"the gateway keeps headers like {name} to itself" if name.lower().startswith(_INTERNAL) else None


def header_value(value: str) -> str | None:
    return "control characters are not allowed in header values" if _CONTROL.search(value) else None


def url(text: str) -> str | None:
    """As Kong has it, but for control characters; the policy module reads the rest."""
    scheme, colon, rest = text.partition("://")
    if not colon or not _SCHEME.fullmatch(scheme):
        return "missing scheme in url"
    if not _AUTHORITY.match(rest):
        return "missing host in url"
    return header_value(text)


def absolute_path(path: str) -> str | None:
    return None if path.startswith("/") else "should start with: /"


def host(text: str) -> str | None:
    """A host's name or an address, as Kong's type `host` has them."""
    kind, has_port = _host_kind(text)
    if kind is None:
        return f"invalid value: {text}"
    return "must not have a port" if has_port else None


def host_name_with_port(text: str) -> str | None:
    """A host's name or an address, with or without a port."""
    return f"invalid value: {text}" if _host_kind(text)[0] is None else None


def server_name(text: str) -> str | None:
    """As Kong's type `sni`."""
    kind, has_port = _host_kind(text)
    if kind == "address":
        return "must not be an IP"
    if kind is None or len(text) > _LONGEST_NAME:
        return f"invalid value: {text}"
    return "must not have a port" if has_port else None


def _host_kind(text: str) -> tuple[Literal["name", "address"] | None, bool]:
    """What it is, and whether a port follows."""
    if text.count(":") > 1:
        bare, port = _unbracketed(text)
        return ("address" if _is_address(bare, 6) else None), port
    bare, colon, port_text = text.partition(":")
    if colon and not port_text.isdecimal():
        return None, False
    if re.fullmatch(r"[0-9.]+", bare + port_text):
        return ("address" if _is_address(bare, 4) else None), bool(colon)
    labels = bare.removesuffix(".").split(".")
    return ("name" if all(_LABEL.fullmatch(label) for label in labels) else None), bool(colon)


def _unbracketed(text: str) -> tuple[str, bool]:
    found = re.fullmatch(r"\[(.*)\](:[0-9]+)?", text)
    return (found[1], found[2] is not None) if found else (text, False)


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        return False


def ip_or_cidr(text: str) -> str | None:
    return None if _is_ip_or_cidr(text) else f"invalid ip or cidr range: '{text}'"


def _is_ip_or_cidr(text: str) -> bool:
    address, slash, prefix = text.partition("/")
    is_bracketed = address.startswith("[") and address.endswith("]")
    try:
        parsed = ipaddress.ip_address(address[1:-1] if is_bracketed else address)
    except ValueError:
        return False
    if "%" in address or (is_bracketed and parsed.version == 4):
        return False
    return not slash or prefix in map(str, range(parsed.max_prefixlen + 1))


def final_status(status: int) -> str | None:
    """Kong takes 1xx, with which no exchange ends; its clients wait for more."""
    return None if status >= 200 else "a status of 1xx cannot end a request, use one from 200 to 599"


def reply_status(status: float) -> str | None:
    """Kong takes any number and fails on requests."""
    if status % 1:
        return "expected an integer"
    return None if 200 <= status <= 599 else "value should be between 200 and 599"
