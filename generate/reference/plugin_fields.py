"""A plugin's schema as rows of a table."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from crossfade.compile.policies.schema import Field

# What a schema's check allows, by the name of its function.
_ALLOWED: Final = {
    "account_email": "has an `@`",
    "account_key": "PEM",
    "acme_storage": "`shm`, `kong`",
    "cleared_header": "name of a header",
    "delivery_limit": "-1, 1",
    "domain": "a host, `*.` may stand before it",
    "http_url": "a URL with scheme and host",
    "issuer": "a URL of http or https without user, query and fragment",
    "hmac_key": "base64 for URLs",
    "key_set": "is refused",
    "no_storage": "is refused",
    "rsa_key_size": "2048, 3072, 4096",
    "absolute_path": "begins with `/`",
    "attribute": "name or number of an attribute",
    "audience": "at most 1024 bytes",
    "auth_method": "`password`, `client_credentials`, `authorization_code`, `bearer`, `introspection`, `session`",
    "any_header_name": "name of a header",
    "client_auth": "`client_secret_basic`, `client_secret_post`, `none`",
    "cookie_attribute": "ASCII without semicolons and control characters, at most 1024 bytes",
    "cookie_name": "name of a cookie, at most 1024 bytes",
    "filename": "two characters or more, no spaces, `*`, `&`, `%` and backticks",
    "final_status": "not 1xx",
    "free_header_name": "name of a header that the gateway does not write itself",
    "free_tag": "none of the plugin's own tags",
    "header_name": "letters, digits, `-` and `_`",
    "header_value": "no control characters",
    "host": "a host's name or an address, without a port",
    "login_method": "a method of `auth_methods`",
    "login_token": "`id_token`, `access_token`, `refresh_token`",
    "lua_function": "a function in Lua",
    "mark": "no spaces, quotes, brackets and backslashes",
    "method": "one of the methods that Kong can set",
    "named_value": "`name:value`",
    "ip_or_cidr": "an IP address or network",
    "only_default": "the default only",
    "origin": "`*`, an origin, or a regex",
    "never": "is refused",
    "no_certificate": "is refused",
    "no_logs": "is refused",
    "no_rewrite": "is refused",
    "no_codes": "`true` is refused",
    "pair": "`name:value`",
    "regex": "a regex in Rust's syntax",
    "removed_header": "name of a header",
    "removed_member": "name of a member",
    "renamed_header": "`old:new`",
    "removed_request_header": "name of a header",
    "renamed_request_header": "`old:new`",
    "replaced_request_header": "`name:value`",
    "reply_status": "a whole number from 200 to 599",
    "response_mode": "`query`, `form_post`",
    "server_name": "a host's name",
    "status_range": "two numbers with a dash between",
    "storage": "`kong` is refused",
    "tag": "does not end in a colon",
    "whole_seconds": "a whole number",
    "request_header": "`name:value`",
    "revocation": "`SKIP`",
    "trace_size": "8, 16",
    "uuid": "a UUID",
    "uri": "begins with `/`, or with an expression",
    "url": "a URL with scheme and host",
    "valued_header": "`name:value`",
}


# What stands between the field and one of those it holds.
_OF_MANY: Final = {"array": "[].", "set": "[].", "map": ".NAME."}


class Row(Struct, frozen=True):
    """`path` is as in a configuration: `redis.port`."""

    path: str
    type: str
    is_required: bool
    default: str
    values: str


def rows(fields: Mapping[str, Field], prefix: str = "") -> Iterator[Row]:
    for name, field in fields.items():
        path = f"{prefix}{name}"
        yield Row(path, _type(field), _must_be_given(field), _default(field), values(field))
        inner = field.elements if field.type in _OF_MANY else field
        if inner is not None and inner.fields:
            yield from rows(inner.fields, f"{path}{_OF_MANY.get(field.type, '.')}")


def values(field: Field) -> str:
    """Which values are allowed, in words; LookupError for a check that is not known here."""
    parts = []
    if field.one_of:
        parts.append(", ".join(f"`{word}`" for word in field.one_of))
    if field.greater_than is not None:
        parts.append(f"greater than {_number(field.greater_than)}")
    if field.between is not None:
        parts.append(f"{_number(field.between[0])} to {_number(field.between[1])}")
    if field.type == "string" and field.len_min == 0:
        parts.append("may be empty")
    if field.check is not None:
        parts.append(_checked(field.check))
    if field.elements is not None and (of_each := values(field.elements)):
        parts.append(f"each: {of_each}")
    return "; ".join(parts)


def _checked(check: Callable[[Any], str | None]) -> str:
    name = check.__name__
    if name not in _ALLOWED:
        raise LookupError(f"say in generate/reference/plugin_fields.py what the check {name} allows")
    return _ALLOWED[name]


def _type(field: Field) -> str:
    return f"{field.type} of {field.elements.type}s" if field.elements is not None else field.type


def _must_be_given(field: Field) -> bool:
    return field.required and field.default is None


def _default(field: Field) -> str:
    if field.default is None or field.default == []:
        return ""
    if isinstance(field.default, list):
        return ", ".join(f"`{one}`" for one in field.default)
    return f"`{field.default if isinstance(field.default, str) else msgspec.json.encode(field.default).decode()}`"


def _number(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)
