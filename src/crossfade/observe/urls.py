"""The page of a gateway that runs without a cluster, at an address that is given."""

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
            raise ProxyFailed(str(problem) or type(problem).__name__) from problem
        return bytes(page)
