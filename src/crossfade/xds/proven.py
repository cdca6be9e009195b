"""Whom open ADS streams have proved to be: other streams of the same proxy are known by the token that they show.

A second review of each token would double what the API server is asked when all proxies come at once.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import Final

from crossfade.xds.auth import NotAuthenticatedError

# A proxy opens its streams together.
_PATIENCE_S: Final = 10.0


class Proven:
    """Holds digests, not tokens."""

    def __init__(self, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._open: dict[bytes, list[str]] = {}
        self._awaited: dict[bytes, set[asyncio.Event]] = {}

    @contextmanager
    def known(self, metadata: Mapping[str, str], proxy: str) -> Iterator[None]:
        """As long as the ADS stream with that `metadata` is open."""
        key = _digest(metadata)
        proxies = self._open.setdefault(key, [])
        proxies.append(proxy)
        for awaited in self._awaited.get(key, ()):
            awaited.set()
        try:
            yield
        finally:
            proxies.remove(proxy)
            if not proxies:
                del self._open[key]

    async def proxy_of(self, metadata: Mapping[str, str]) -> str:
        """Waits for the ADS stream for a while; raises NotAuthenticatedError."""
        key = _digest(metadata)
        if key not in self._open:
            await self._come(key)
        found = self._open.get(key)
        if not found:
            raise NotAuthenticatedError("the ADS stream that showed this token has ended")
        return found[-1]

    async def _come(self, key: bytes) -> None:
        awaited = asyncio.Event()
        self._awaited.setdefault(key, set()).add(awaited)
        try:
            async with asyncio.timeout(self._patience_s):
                await awaited.wait()
        except TimeoutError:
            raise NotAuthenticatedError("no ADS stream has shown this token") from None
        finally:
            self._awaited[key].discard(awaited)
            if not self._awaited[key]:
                del self._awaited[key]


def _digest(metadata: Mapping[str, str]) -> bytes:
    return blake2b(metadata.get("authorization", "").encode(), digest_size=32).digest()
