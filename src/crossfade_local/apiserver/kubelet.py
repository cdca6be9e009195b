"""The way to the node's agent, which listens on a unix socket."""

import asyncio
from pathlib import Path
from typing import Final

import aiohttp

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.wire.status import StatusError, internal

_USAGE_S: Final = 10.0
_UNAVAILABLE: Final = "the server is currently unable to handle the request"


class Kubelet:
    """`socket` is None where there is no node."""

    def __init__(self, socket: Path | None) -> None:
        self._socket: Final = socket
        self._session: aiohttp.ClientSession | None = None

    def path(self) -> str:
        if self._socket is None or not self._socket.exists():
            raise internal("error dialing backend: the node agent is not running")
        return str(self._socket)

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
            connector = aiohttp.UnixConnector(path=self.path(), limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        return self._session

    async def usage(self) -> JsonObject:
        """What the node's containers take now, as `kubelet.usage` reports it. Raises StatusError 503."""
        try:
            async with asyncio.timeout(_USAGE_S), self.session().get("http://kubelet/usage") as response:
                response.raise_for_status()
                found: JsonObject = await response.json()
                return found
        except (aiohttp.ClientError, TimeoutError, StatusError) as error:
            raise StatusError(503, "ServiceUnavailable", f"{_UNAVAILABLE} (the node agent does not answer)") from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
