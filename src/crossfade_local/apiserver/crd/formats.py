"""The string formats that Kubernetes checks in custom resources; any other format is only a remark."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit


def _is_date(value: str) -> bool:
    return _parses(lambda: datetime.strptime(value, "%Y-%m-%d").date())  # noqa: DTZ007 - a date without time


def _is_date_time(value: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", value) is not None


def _is_byte(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


def _is_duration(value: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+(\.\d*)?\s*(ns|us|µs|ms|s|m|h|d|w)\s*)+|0", value) is not None


def _is_ip(version: int) -> Callable[[str], bool]:
    return lambda value: _parses(lambda: ipaddress.ip_address(value)) and ipaddress.ip_address(value).version == version


def _parses(parse: Callable[[], object]) -> bool:
    try:
        parse()
    except ValueError:
        return False
    return True


def _is_uri(value: str) -> bool:
    return _parses(lambda: urlsplit(value)) and (bool(urlsplit(value).scheme) or value.startswith("/"))


_UUID: Final = r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_HOST: Final = r"([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"

FORMATS: Final[dict[str, Callable[[str], bool]]] = {
    "byte": _is_byte,
    "cidr": lambda value: "/" in value and _parses(lambda: ipaddress.ip_network(value, strict=False)),
    "date": _is_date,
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "duration": _is_duration,
    "email": lambda value: re.fullmatch(r"[^@\s]+@[^@\s]+", value) is not None,
    "hostname": lambda value: len(value) <= 255 and re.fullmatch(_HOST, value) is not None,
    "ipv4": _is_ip(4),
    "ipv6": _is_ip(6),
    "mac": lambda value: re.fullmatch(r"(?i)([0-9a-f]{2}[:-]){5}[0-9a-f]{2}", value) is not None,
    "uri": _is_uri,
    "uuid": lambda value: re.fullmatch(_UUID, value) is not None,
}
