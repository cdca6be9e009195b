"""Schema of session's configuration, and the spellings of Kong 2 (kong.md §5.9)."""

import re
from collections.abc import Mapping
from typing import Any, Final

from crossfade.compile.policies.renaming import renaming
from crossfade.compile.policies.schema import Field, Schema

_DAY: Final = 86_400
# Longer ones leave no room for the rest of a cookie.
_LONGEST: Final = 1024
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ATTRIBUTE: Final = re.compile(r"[ -:<-~]*")


def storage(value: str) -> str | None:
    return "sessions are stored in the cookie only: there is no database" if value == "kong" else None


def cookie_name(value: str) -> str | None:
    return None if _NAME.fullmatch(value) and len(value) <= _LONGEST else "is not the name of a cookie"


def cookie_attribute(value: str) -> str | None:
    is_right = _ATTRIBUTE.fullmatch(value) and len(value) <= _LONGEST
    return None if is_right else "cannot stand in a cookie: no semicolons, ASCII only"


def audience(value: str) -> str | None:
    is_right = len(value.encode("utf-8", "replace")) <= _LONGEST
    return None if is_right else f"at most {_LONGEST} bytes have room in a cookie"


def _timeout(default: float) -> Field:
    # A negative one would end each session at once.
    return Field("number", default, between=(0, 100_000_000))


def _properties() -> Field:
    names = ("id", "audience", "subject", "timeout", "idling-timeout", "rolling-timeout", "absolute-timeout")
    return Field("set", elements=Field("string", one_of=names))


SCHEMA: Final = Schema(
    {
        "secret": Field("string", referenceable=True),
        "storage": Field("string", "cookie", one_of=("cookie", "kong"), check=storage),
        "audience": Field("string", "default", check=audience),
        "idling_timeout": _timeout(900),
        "rolling_timeout": _timeout(3600),
        "absolute_timeout": _timeout(_DAY),
        "stale_ttl": _timeout(10),
        "cookie_name": Field("string", "session", check=cookie_name),
        "cookie_path": Field("string", "/", check=cookie_attribute),
        "cookie_domain": Field("string", check=cookie_attribute),
        "cookie_same_site": Field("string", "Strict", one_of=("Strict", "Lax", "None", "Default")),
        "cookie_http_only": Field("boolean", default=True),
        "cookie_secure": Field("boolean", default=True),
        "remember": Field("boolean", default=False),
        "remember_cookie_name": Field("string", "remember", check=cookie_name),
        "remember_rolling_timeout": _timeout(7 * _DAY),
        "remember_absolute_timeout": _timeout(30 * _DAY),
        "response_headers": _properties(),
        "request_headers": _properties(),
        "read_body_for_logout": Field("boolean", default=False),
        "logout_methods": Field("set", ["POST", "DELETE"], elements=Field("string", one_of=("GET", "POST", "DELETE"))),
        "logout_query_arg": Field("string", "session_logout"),
        "logout_post_arg": Field("string", "session_logout"),
    }
)

_renamed: Final = renaming(
    {
        "cookie_lifetime": "rolling_timeout",
        "cookie_idletime": "idling_timeout",
        "cookie_discard": "stale_ttl",
        "cookie_samesite": "cookie_same_site",
        "cookie_httponly": "cookie_http_only",
        "cookie_persistent": "remember",
    }
)


def with_new_names(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """`cookie_renew` has had no meaning since Kong 3.2, and `off` is `Lax`."""
    found = dict(_renamed({name: value for name, value in config.items() if name != "cookie_renew"}))
    if "cookie_idletime" in config and found.get("idling_timeout", 0) is None:
        found["idling_timeout"] = 0
    if "cookie_samesite" in config and found.get("cookie_same_site") == "off":
        found["cookie_same_site"] = "Lax"
    return found
