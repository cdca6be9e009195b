"""Questions to the Admin API → answers, in Kong's words; pure."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from crossfade.admin_api.entities import CREDENTIALS
from crossfade.compile.policies.registry import PLUGINS

Json = dict[str, Any]

_DEFAULT_SIZE: Final = 100
_LARGEST_SIZE: Final = 1000
# What Kong calls the entities of a collection in its texts.
_ENTITY_NAMES: Final[Mapping[str, str]] = {
    "key-auths": "keyauth_credentials",
    "basic-auths": "basicauth_credentials",
    "hmac-auths": "hmacauth_credentials",
    "jwts": "jwt_secrets",
    "oauth2": "oauth2_credentials",
    "mtls-auths": "mtls_auth_credentials",
}
_VERBS: Final = {"POST": "create", "PUT": "create or update", "PATCH": "update", "DELETE": "remove"}
# A collection below an entity, and the field that refers to that entity.
_NESTED: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("services", "routes"): ("routes", "service"),
    ("services", "plugins"): ("plugins", "service"),
    ("routes", "plugins"): ("plugins", "route"),
    ("consumers", "plugins"): ("plugins", "consumer"),
    ("consumers", "acls"): ("acls", "consumer"),
    ("upstreams", "targets"): ("targets", "upstream"),
    **{("consumers", kind): (collection, "consumer") for kind, (collection, _) in CREDENTIALS.items()},
}
_NAMES: Final = {"consumers": "username", "targets": "target"}


class Page(NamedTuple):
    status: int
    body: Json


NOT_FOUND: Final = Page(404, {"message": "Not found"})


class Book:
    """All entities of one state, found by id and by name; `watched` are upstreams whose targets are checked."""

    def __init__(self, collections: Mapping[str, Sequence[Json]], watched: frozenset[str] = frozenset()) -> None:
        self.collections = collections
        self.watched = watched
        self._by_key = {
            (name, str(key)): item
            for name, items in collections.items()
            for item in items
            for key in (item["id"], item.get(_NAMES.get(name, "name")))
            if key
        }

    def find(self, collection: str, key: str) -> Json | None:
        return self._by_key.get((collection, key))


Healths = Mapping[str, Mapping[str, bool]]
"""By upstream and target (`address:port`), whether the proxy sends it requests."""


def page(book: Book, method: str, path: str, query: Mapping[str, str], healths: Healths | None = None) -> Page:
    """`path` without the query. Only reading is possible, as with DB-less Kong."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return NOT_FOUND
    collection = parts[0]
    if collection not in book.collections:
        return NOT_FOUND
    if method not in ("GET", "HEAD"):
        nested = _NESTED.get((collection, parts[2])) if len(parts) > 2 else None
        return _unsupported(method, nested[0] if nested else collection)
    if len(parts) == 1:
        return listed(book.collections[collection], path, query)
    found = book.find(collection, parts[1])
    if found is None:
        return NOT_FOUND
    if len(parts) == 2:
        return Page(200, found)
    if collection == "upstreams" and parts[2:] == ["health"]:
        return _health(book, found, path, query, healths or {})
    return _below(book, collection, found, parts[2:], path, query)


def _below(book: Book, collection: str, found: Json, rest: Sequence[str], path: str, query: Mapping[str, str]) -> Page:
    if collection == "routes" and list(rest) == ["service"]:
        return Page(200, book.find("services", found["service"]["id"]) or {})
    nested = _NESTED.get((collection, rest[0]))
    if nested is None or (len(rest) > 1 and list(rest) != ["targets", "all"]):
        return NOT_FOUND
    items = [item for item in book.collections[nested[0]] if (item.get(nested[1]) or {}).get("id") == found["id"]]
    return listed(items, path, query)


def _health(book: Book, upstream: Json, path: str, query: Mapping[str, str], healths: Healths) -> Page:
    name = upstream["name"]
    items = [
        {**item, "health": health_word(item["target"], healths.get(name, {}), is_watched=name in book.watched)}
        for item in book.collections["targets"]
        if item["upstream"]["id"] == upstream["id"]
    ]
    return listed(items, path, query)


def health_word(target: str, healths: Mapping[str, bool], *, is_watched: bool) -> str:
    """Kong's; a name stands for all addresses that it has (kong.md §3.7)."""
    if not is_watched:
        return "HEALTHCHECKS_OFF"
    known = [healths[target]] if target in healths else list(healths.values())
    if not known:
        return "DNS_ERROR"
    return "HEALTHY" if any(known) else "UNHEALTHY"


def listed(items: Sequence[Json], path: str, query: Mapping[str, str]) -> Page:
    """One page of a collection; `next` leads to the following one."""
    size, start = _number(query.get("size")), _start(query.get("offset"))
    if size is None:
        return Page(400, {"code": 9, "name": "invalid size", "message": "size must be an integer between 1 and 1000"})
    if start is None:
        return Page(400, {"code": 7, "name": "invalid offset", "message": "the offset is not one that a page had"})
    wanted = [tag for tag in query.get("tags", "").split(",") if tag]
    shown = [item for item in items if set(wanted) <= set(item.get("tags") or ())] if wanted else items
    data = list(shown[start : start + size])
    if start + size >= len(shown):
        return Page(200, {"data": data, "next": None})
    token = base64.urlsafe_b64encode(str(start + size).encode()).decode()
    rest = "".join(f"&{name}={query[name]}" for name in ("size", "tags") if name in query)
    return Page(200, {"data": data, "offset": token, "next": f"{path}?offset={token}{rest}"})


def _number(text: str | None) -> int | None:
    if text is None:
        return _DEFAULT_SIZE
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= _LARGEST_SIZE else None


def _start(token: str | None) -> int | None:
    if token is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError):
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _unsupported(method: str, collection: str) -> Page:
    verb, entity = _VERBS.get(method, method.lower()), _ENTITY_NAMES.get(collection, collection)
    message = f"cannot {verb} '{entity}' entities when not using a database"
    return Page(405, {"code": 12, "name": "operation unsupported", "message": message})


def information(*, version: str, hostname: str, node_id: str) -> Json:
    """What Kong says of itself at `/`, as far as tools look at it."""
    available = {name: {"version": version, "priority": plugin.priority} for name, plugin in sorted(PLUGINS.items())}
    return {
        "version": version,
        "tagline": "Welcome to kong",
        "hostname": hostname,
        "node_id": node_id,
        "edition": "community",
        "configuration": {"database": "off", "role": "traditional", "router_flavor": "traditional_compatible"},
        "plugins": {"available_on_server": available, "enabled_in_cluster": sorted(PLUGINS)},
    }
