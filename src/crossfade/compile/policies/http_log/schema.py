"""Schema of http-log's configuration (kong.md §5.21)."""

from typing import Any, Final
from urllib.parse import urlsplit

from crossfade.compile.policies.checks import free_header_name, header_name, header_value, url
from crossfade.compile.policies.custom_fields import CUSTOM_FIELDS
from crossfade.compile.policies.module_words import module_words
from crossfade.compile.policies.queueing import OLD_FIELDS, QUEUE
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

_USUAL: Final = {
    "method": "POST",
    "content_type": "application/json",
    "timeout": 1,
    "keepalive": 1,
    "headers": None,
    "ssl_verify": True,
}
_OF_THE_PLUGIN: Final = ("Host", "Content-Length", "Content-Type")
_TWICE: Final = "specifying both an 'Authorization' header and user info in 'http_endpoint' is not allowed"


def http_url(text: str) -> str | None:
    """The policy module has the last word on what it can connect to."""
    if (problem := url(text)) is not None:
        return problem
    return module_words("http-log", {"http_endpoint": text, **_USUAL}, about="http_endpoint: ")


def own_headers(config: JsonObject) -> Problems:
    """Names that Kong refuses, in its words."""
    for name in config["headers"] or {}:
        for own in _OF_THE_PLUGIN:
            if name.lower() == own.lower():
                return {"headers": f"cannot contain '{own}' header"}
        if (problem := header_name(name) or free_header_name(name)) is not None:
            return {"headers": problem}
    return {}


def one_authorization(config: JsonObject) -> Problems:
    names = {name.lower() for name in config["headers"] or {}}
    return {ENTITY: [_TWICE]} if "authorization" in names and _has_user(config["http_endpoint"]) else {}


def _has_user(endpoint: Any) -> bool:
    try:
        return "@" in urlsplit(endpoint).netloc
    except ValueError:
        return False


SCHEMA: Final = Schema(
    {
        "http_endpoint": Field("string", required=True, check=http_url, referenceable=True),
        "method": Field("string", "POST", one_of=("POST", "PUT", "PATCH")),
        "content_type": Field(
            "string", "application/json", one_of=("application/json", "application/json; charset=utf-8")
        ),
        "timeout": Field("number", 10_000),
        "keepalive": Field("number", 60_000),
        "headers": Field("map", len_min=0, elements=Field("string", check=header_value, referenceable=True)),
        "ssl_verify": Field("boolean", True),
        **OLD_FIELDS,
        "queue": QUEUE,
        "custom_fields_by_lua": CUSTOM_FIELDS,
    },
    checks=(own_headers, one_authorization),
)
