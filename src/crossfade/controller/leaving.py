"""The last seconds of a controller whose pod ends: others go on calling its webhooks until they know that it goes.

The kubelet asks for `/drain` before it ends the container (`lifecycle.preStop`), and waits for the answer. Until then
all goes on as before, but connections are not kept: the next call opens one, to a controller that stays.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

PATH: Final = "/drain"
_DEFAULT_S: Final = 5
_LONGEST_S: Final = 60
# From the answer until the process has ended.
_SLACK_S: Final = 5.0


class Leaving:
    """`now` is a clock in seconds."""

    def __init__(
        self,
        *,
        now: Callable[[], float] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._now = now or asyncio.get_running_loop().time
        self._sleep = sleep
        self._until = float("-inf")

    def is_under_way(self) -> bool:
        """Over by itself, should the pod not end after all."""
        return self._now() < self._until

    async def answer(self, request: web.Request) -> web.Response:
        """After as many seconds as the query says."""
        text = request.query.get("seconds", str(_DEFAULT_S))
        if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_LONGEST_S)) and int(text) <= _LONGEST_S):
            return web.Response(status=400, text=f"seconds must be 0 to {_LONGEST_S}")
        self._until = max(self._until, self._now() + int(text) + _SLACK_S)
        await self._sleep(int(text))
        return web.Response(text="ok")
