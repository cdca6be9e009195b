"""The types of Kong's fields, as far as converting depends on them."""

from collections.abc import Mapping
from typing import Any, Final

from crossfade_kube.meta import JsonObject

_LISTS: Final = frozenset(
    {"ca_certificates", "groups", "hosts", "methods", "paths", "protocols", "redirect_uris", "snis", "tags"}
)
_MAPS: Final = frozenset({"config", "headers", "healthchecks", "ordering"})
_NUMBERS: Final = frozenset(
    {
        "connect_timeout",
        "https_redirect_status_code",
        "port",
        "read_timeout",
        "regex_priority",
        "retries",
        "slots",
        "tls_verify_depth",
        "ttl",
        "weight",
        "write_timeout",
    }
)
_TEXTS: Final = frozenset(
    {
        "_config",
        "algorithm",
        "cert",
        "custom_id",
        "group",
        "hash_fallback",
        "hash_on",
        "host",
        "host_header",
        "id",
        "instance_name",
        "key",
        "name",
        "password",
        "path",
        "path_handling",
        "protocol",
        "secret",
        "target",
        "url",
        "username",
    }
)


def fitting(fields: Mapping[str, Any]) -> tuple[JsonObject, tuple[str, ...]]:
    """The fields of the right types, texts as texts, and the names of the others."""
    found: JsonObject = {}
    misfits = []
    for name, value in fields.items():
        if value is None or _fits(name, value):
            found[name] = str(value) if name in _TEXTS and value is not None else value
        else:
            misfits.append(name)
    return found, tuple(misfits)


def _fits(name: str, value: object) -> bool:
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(each, str | int | float | dict) for each in value)
    if name in _MAPS:
        return isinstance(value, dict)
    if name in _NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool)
    return name not in _TEXTS or isinstance(value, str | int | float)
