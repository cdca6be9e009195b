"""The page of a gateway that runs without a cluster, at an address that is given."""

import os
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from crossfade.observe.scrape import MOST_BYTES, ProxyFailed
from crossfade.observe.targets import CONSUMERS_PATH, GATEWAY_PATH, Target

_CHUNK: Final = 1 << 16


def target_of(url: str, *, with_consumers: bool = False) -> Target:
    """Of `http://HOST:PORT`, where Kong's status or Admin API listens. Raises ValueError."""
    given = urlsplit(url if "://" in url else f"http://{url}")
    if given.scheme not in ("http", "https") or not given.hostname or not url.isprintable():
        raise ValueError(f"{url!r} is no address like http://127.0.0.1:8100")
    return Target(
        "gateway", f"{given.scheme}://{given.netloc}", path=CONSUMERS_PATH if with_consumers else GATEWAY_PATH
    )


class UrlPages:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session: Final = session

    async def fetch(self, target: Target) -> bytes:
        """Raises ProxyFailed."""
        page = bytearray()
        try:
            async with self._session.get(target.name + target.path) as response:
                if response.status != 200:
                    raise ProxyFailed(f"it answers {response.status}")
                async for piece in response.content.iter_chunked(_CHUNK):
                    page += piece
                    if len(page) > MOST_BYTES:
                        raise ProxyFailed(f"its page is longer than {MOST_BYTES} bytes")
        except (aiohttp.ClientError, OSError) as problem:
            raise ProxyFailed(_reason(problem)) from problem
        return bytes(page)


def _reason(problem: Exception) -> str:
    if isinstance(problem, aiohttp.ClientConnectorError):
        # What asyncio makes of it names the address once more; a name that nobody knows has no number of the system's.
        number = problem.os_error.errno or 0
        return f"no connection: {os.strerror(number) if number > 0 else problem.os_error.strerror}"
    return str(problem) or type(problem).__name__
