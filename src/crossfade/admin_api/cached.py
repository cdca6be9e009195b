"""What proxy-cache keeps, asked of the policy module in the gateway's own proxy; each gateway has its own."""

from typing import Any, Final, NamedTuple

import aiohttp
import orjson

from crossfade.admin_api.pages import NOT_FOUND, Book, Page
from crossfade.envoy.settings import CachedAccess

_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)
_UNREACHABLE: Final = Page(500, {"message": "the proxy does not answer; nothing is known of its cache"})
_ONE_OF: Final = ("GET", "HEAD", "DELETE")


class _Asked(NamedTuple):
    """`path` of the policy module: `/` for all, `/<key>` for one."""

    method: str
    path: str


class CachedAnswers:
    def __init__(self, access: CachedAccess) -> None:
        self._access = access

    async def page(self, book: Book, method: str, path: str) -> Page:
        """`path` begins with `/proxy-cache`. A 204 has no body."""
        asked = what_is_asked(book, method, path)
        return await self._answer(asked) if isinstance(asked, _Asked) else asked

    async def _answer(self, asked: _Asked) -> Page:
        # The first character stands for the abstract namespace, where no file is in the way.
        connector = aiohttp.UnixConnector(path=f"\0{self._access.socket}")
        headers = {"Authorization": f"Bearer {self._access.token}"}
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, headers=headers) as session,
                session.request(asked.method, f"http://proxy{asked.path}") as response,
            ):
                return _page(response.status, await response.read())
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return _UNREACHABLE


def what_is_asked(book: Book, method: str, path: str) -> _Asked | Page:
    """Without a proxy-cache plugin there is nothing for Kong to look in."""
    parts = [part for part in path.split("/") if part][1:]
    plugins = [plugin for plugin in book.collections.get("plugins", ()) if plugin["name"] == "proxy-cache"]
    if not parts:
        if method != "DELETE":
            return _not_allowed()
        return _Asked("DELETE", "/") if plugins else Page(204, {})
    if len(parts) == 3 and parts[1] == "caches":
        plugins = [plugin for plugin in plugins if plugin["id"] == parts[0]]
    elif len(parts) != 1:
        return NOT_FOUND
    if method not in _ONE_OF:
        return _not_allowed()
    key = parts[-1]
    if not plugins or not _is_key(key):
        return NOT_FOUND
    return _Asked("GET" if method == "HEAD" else method, f"/{key}")


def _is_key(text: str) -> bool:
    return len(text) == 64 and all(char in "0123456789abcdef" for char in text)


def _not_allowed() -> Page:
    return Page(405, {"message": "Method not allowed"})


def _page(status: int, body: bytes) -> Page:
    if status == 404:
        return NOT_FOUND
    if status not in (200, 204):
        return _UNREACHABLE
    found: Any = orjson.loads(body) if body else {}
    return Page(status, found)
