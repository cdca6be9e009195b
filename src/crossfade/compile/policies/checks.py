"""Checks that several plugins' schemas share; each returns a problem's text or None."""

import ipaddress
import re
from typing import Final

from crossfade.api import bounds

_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
# By which the end of a message or its receiver is found: the gateway writes them itself.
_RESERVED: Final = ("connection", "content-length", "host", "transfer-encoding", "upgrade")
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


def header_value(value: str) -> str | None:
    return "control characters are not allowed in header values" if _CONTROL.search(value) else None


def absolute_path(path: str) -> str | None:
    return None if path.startswith("/") else "should start with: /"


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


def reply_status(status: float) -> str | None:
    """Kong takes any number and fails on requests."""
    if status % 1:
        return "expected an integer"
    return None if 200 <= status <= 599 else "value should be between 200 and 599"
