"""Takes connections, and gives their TLS handshakes little time and little room: nobody knows yet who that is."""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

log = logging.getLogger(__name__)

_LONGEST_S: Final = 10.0
_MOST: Final = 500
"""At once; one more takes the place of the oldest."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_S: Final = 0.5


class Handshakes:
    """`serve` makes the protocol of a connection whose handshake has succeeded."""

    def __init__(
        self,
        serve: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        *,
        most: int = _MOST,
        longest_s: float = _LONGEST_S,
    ) -> None:
        self._serve: Final = serve
        self._context: Final = context
        self._most: Final = most
        self._longest_s: Final = longest_s
        self._listening: list[asyncio.Task[None]] = []
        self._running: dict[asyncio.Task[None], None] = {}

    def listen(self, sock: socket.socket) -> None:
        """Takes connections of a listening socket, which is closed with this."""
        sock.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._accept(sock), name="accept connections")
        self._listening.append(task)

    async def close(self) -> None:
        """Connections that are established stay."""
        tasks = [*self._listening, *self._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with sock:
            while True:
                try:
                    connection, _ = await loop.sock_accept(sock)
                except OSError as error:
                    if error.errno in _EXHAUSTED:
                        log.warning("connections.exhausted", extra={"fields": {"reason": str(error)}})
                        await asyncio.sleep(_PAUSE_S)
                    # Else its client has left.
                    continue
                self._begin(connection)
                # While others wait to be accepted, nothing here waits by itself.
                await asyncio.sleep(0)

    def _begin(self, connection: socket.socket) -> None:
        if len(self._running) >= self._most:
            oldest = next(iter(self._running))
            del self._running[oldest]
            oldest.cancel()
        task = asyncio.get_running_loop().create_task(self._shake(connection), name="handshake")
        self._running[task] = None
        task.add_done_callback(lambda done: self._running.pop(done, None))
        # One that is cancelled before its first step never sees its connection.
        task.add_done_callback(lambda done: connection.close() if done.cancelled() else None)

    async def _shake(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        # What fails here is the client's affair: a probe of a port, a browser that distrusts the authority.
        with suppress(OSError, TimeoutError):
            await loop.connect_accepted_socket(
                self._serve, connection, ssl=self._context, ssl_handshake_timeout=self._longest_s
            )
            return
        connection.close()
