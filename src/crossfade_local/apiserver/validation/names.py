"""Formats of names, labels and the like; every check gives a list of problems, empty if there is none.

The texts are part of the API: clients print them.
"""

import ipaddress
import re
from collections.abc import Callable
from typing import Final

NameCheck = Callable[[str, bool], list[str]]
"""Checks a name; the flag says that it is only the start of one (`generateName`)."""

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = _LABEL + r"(\." + _LABEL + ")*"
_LABEL_UNDERSCORE: Final = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_DNS1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD: Final = r"\*\." + _SUBDOMAIN
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE: Final = f"({_QUALIFIED})?"
_CONFIG_KEY: Final = "[-._a-zA-Z0-9]+"
_ENV_NAME: Final = "[-._a-zA-Z][-._a-zA-Z0-9]*"
_HEADER: Final = "[-A-Za-z0-9]+"
_BYTE: Final = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
# Canonical, and of no special range; others are told apart by a module that takes thirty times as long.
_USUAL_IPV4: Final = rf"(?!(?:0|127|169|224)\.){_BYTE}(?:\.{_BYTE}){{3}}"
_PERCENT: Final = "[0-9]+%"

_LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)
_SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_DNS1035_TEXT: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_WILDCARD_TEXT: Final = (
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character"
)
_QUALIFIED_TEXT: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_LABEL_VALUE_TEXT: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_CONFIG_KEY_TEXT: Final = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_ENV_TEXT: Final = "a valid environment variable name must consist only of printable ASCII characters other than '='"


def _matches(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value, re.ASCII) is not None


def regex_problem(text: str, pattern: str, *examples: str) -> str:
    """The text, the examples and the pattern in the API's form."""
    if not examples:
        return f"{text} (regex used for validation is '{pattern}')"
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {listed}regex used for validation is '{pattern}')"


def too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


def too_many_bytes(limit: int) -> str:
    return f"must be no more than {limit} bytes"


def dns_label(value: str) -> list[str]:
    problems = [too_long(63)] if len(value) > 63 else []
    if not _matches(_LABEL, value):
        dotted = _matches(_SUBDOMAIN, value)
        plain = regex_problem(_LABEL_TEXT, _LABEL, "my-name", "123-abc")
        problems.append("must not contain dots" if dotted else plain)
    return problems


def dns_subdomain(value: str) -> list[str]:
    problems = [too_long(253)] if len(value) > 253 else []
    if not _matches(_SUBDOMAIN, value):
        problems.append(regex_problem(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return problems


def dns_subdomain_in_bytes(value: str) -> list[str]:
    """The same, where Kubernetes says what it counts."""
    return [too_many_bytes(253) if problem == too_long(253) else problem for problem in dns_subdomain(value)]


def dns_subdomain_with_underscore(value: str) -> list[str]:
    pattern = _LABEL_UNDERSCORE + r"(\." + _LABEL_UNDERSCORE + ")*"
    text = _SUBDOMAIN_TEXT.replace("characters, '-'", "characters, '_', '-'")
    problems = [too_long(253)] if len(value) > 253 else []
    if not _matches(pattern, value):
        problems.append(regex_problem(text, pattern, "example.com"))
    return problems


def dns1035_label(value: str) -> list[str]:
    problems = [too_long(63)] if len(value) > 63 else []
    if not _matches(_DNS1035, value):
        problems.append(regex_problem(_DNS1035_TEXT, _DNS1035, "my-name", "abc-123"))
    return problems


def wildcard_subdomain(value: str) -> list[str]:
    problems = [too_long(253)] if len(value) > 253 else []
    if not _matches(_WILDCARD, value):
        problems.append(regex_problem(_WILDCARD_TEXT, _WILDCARD, "*.example.com"))
    return problems


def qualified_name(value: str) -> list[str]:
    """A label key, an annotation key, a condition type: `[prefix/]name`."""
    parts = value.split("/")
    if len(parts) > 2:
        text = regex_problem(f"a valid label key {_QUALIFIED_TEXT}", _QUALIFIED, "MyName", "my.name", "123-abc")
        return [text + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    problems = []
    if len(parts) == 2:
        if not parts[0]:
            problems.append("prefix part must be non-empty")
        else:
            problems += [f"prefix part {problem}" for problem in dns_subdomain_in_bytes(parts[0])]
    name = parts[-1]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append(f"name part {too_many_bytes(63)}")
    if not _matches(_QUALIFIED, name):
        text = regex_problem(_QUALIFIED_TEXT, _QUALIFIED, "MyName", "my.name", "123-abc")
        problems.append(f"name part {text}")
    return problems


def label_value(value: str) -> list[str]:
    problems = [too_many_bytes(63)] if len(value) > 63 else []
    if not _matches(_LABEL_VALUE, value):
        problems.append(regex_problem(_LABEL_VALUE_TEXT, _LABEL_VALUE, "MyValue", "my_value", "12345"))
    return problems


def config_key(value: str) -> list[str]:
    problems = [too_long(253)] if len(value) > 253 else []
    if not _matches(_CONFIG_KEY, value):
        problems.append(regex_problem(_CONFIG_KEY_TEXT, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    if value == ".":
        problems.append("must not be '.'")
    elif value == "..":
        problems.append("must not be '..'")
    elif value.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def env_name(value: str) -> list[str]:
    """Since 1.30 nearly any printable ASCII text is a legal variable name."""
    if not value:
        return ["environment variable name must be non-empty"]
    legal = value.isascii() and value.isprintable() and "=" not in value
    return [] if legal else [_ENV_TEXT]


def header_name(value: str) -> list[str]:
    text = "a valid HTTP header must consist of alphanumeric characters or '-'"
    return [] if _matches(_HEADER, value) else [regex_problem(text, _HEADER, "X-Header-Name")]


def percent(value: str) -> list[str]:
    text = "a valid percent string must be a numeric string followed by an ending '%'"
    return [] if _matches(_PERCENT, value) else [regex_problem(text, _PERCENT, "1%", "93%")]


def in_range(value: int, low: int, high: int) -> list[str]:
    return [] if low <= value <= high else [f"must be between {low} and {high}, inclusive"]


def port_number(value: int) -> list[str]:
    return in_range(value, 1, 65535)


def user_id(value: int) -> list[str]:
    return in_range(value, 0, 2**31 - 1)


def port_name(value: str) -> list[str]:
    checks = (
        (len(value) > 15, too_long(15)),
        (not _matches("[-a-z0-9]+", value), "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"),
        (not re.search("[a-z]", value), "must contain at least one letter (a-z)"),
        ("--" in value, "must not contain consecutive hyphens"),
        (value.startswith("-") or value.endswith("-"), "must not begin or end with a hyphen"),
    )
    return [text for failed, text in checks if failed]


def is_ip(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


def ip_address(value: str) -> list[str]:
    """Strict and canonical, as new fields demand it."""
    if _matches(_USUAL_IPV4, value):
        return []
    if not is_ip(value):
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    canonical = str(ipaddress.ip_address(value))
    return [] if canonical == value else [f'must be in canonical form ("{canonical}")']


def cidr(value: str) -> list[str]:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        network = None
    if network is None or "/" not in value:
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    if ipaddress.ip_interface(value).ip != network.network_address:
        return ["must not have bits set beyond the prefix length"]
    return []


def non_special_ip(value: str) -> list[str]:
    """An address which traffic may be sent to."""
    if _matches(_USUAL_IPV4, value):
        return []
    address = ipaddress.ip_address(value)
    checks = (
        (address.is_unspecified, f"may not be unspecified ({address})"),
        (address.is_loopback, "may not be in the loopback range (127.0.0.0/8, ::1/128)"),
        (address.is_link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"),
        (
            address.is_multicast and address in _LINK_LOCAL_MULTICAST[address.version],
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ),
    )
    return [text for failed, text in checks if failed]


_LINK_LOCAL_MULTICAST: Final = {4: ipaddress.ip_network("224.0.0.0/24"), 6: ipaddress.ip_network("ff02::/16")}


def _masked(value: str) -> str:
    return value[:-2] + "a" if len(value) > 1 and value.endswith("-") else value


def label_name(value: str, prefix: bool) -> list[str]:
    return dns_label(_masked(value) if prefix else value)


def subdomain_name(value: str, prefix: bool) -> list[str]:
    return dns_subdomain(_masked(value) if prefix else value)


def subdomain_name_in_bytes(value: str, prefix: bool) -> list[str]:
    return dns_subdomain_in_bytes(_masked(value) if prefix else value)


def any_name(_value: str, _prefix: bool) -> list[str]:
    """Kinds whose names Kubernetes does not look at."""
    return []


def path_segment_name(value: str, prefix: bool) -> list[str]:
    """Names of RBAC objects: anything that can stand in a URL path."""
    if not prefix and value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in value]
