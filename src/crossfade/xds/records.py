"""Takes what proxies tell of requests, on the port of their configuration: OTLP's service of logs.

A call is answered at once, also where nobody keeps what it brings: a proxy drops what is not answered in time.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import grpc
import grpc.aio

from crossfade.xds.auth import Authenticate, NotAuthenticatedError, metadata_of

SERVICE: Final = "opentelemetry.proto.collector.logs.v1.LogsService"
LARGEST_CALL: Final = 1 << 20
_DONE: Final = b""
"""An `ExportLogsServiceResponse` that says nothing."""
_REMEMBERED_S: Final = 60.0
_REMEMBERED: Final = 10_000

Receive = Callable[[str, bytes], None]
"""Takes the key of the proxy that sends, and an encoded `ExportLogsServiceRequest` of any content. Raises nothing."""


def records_handlers(receive: Receive, authenticate: Authenticate) -> grpc.GenericRpcHandler:
    known = _Known(authenticate)

    async def export(request: bytes, context: grpc.aio.ServicerContext[Any, bytes]) -> bytes:
        try:
            proxy = await known.proxy(metadata_of(context))
        except NotAuthenticatedError as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        if len(request) <= LARGEST_CALL:
            receive(proxy, request)
        return _DONE

    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
        export, request_deserializer=None, response_serializer=None
    )
    return grpc.method_handlers_generic_handler(SERVICE, {"Export": method})


class _Known:
    """A proxy calls several times a second: whoever has proved who it is is believed for a minute."""

    def __init__(self, authenticate: Authenticate) -> None:
        self._authenticate = authenticate
        self._proxies: dict[str, tuple[str, float]] = {}

    async def proxy(self, metadata: dict[str, str]) -> str:
        """Raises NotAuthenticatedError."""
        token, now_s = metadata.get("authorization", ""), time.monotonic()
        found = self._proxies.get(token)
        if found is not None and found[1] > now_s:
            return found[0]
        proxy = await self._authenticate(metadata)
        if len(self._proxies) >= _REMEMBERED:
            self._proxies = dict(self._current(now_s))
        if len(self._proxies) < _REMEMBERED:
            self._proxies[token] = (proxy, now_s + _REMEMBERED_S)
        return proxy

    def _current(self, now_s: float) -> Iterator[tuple[str, tuple[str, float]]]:
        return ((token, found) for token, found in self._proxies.items() if found[1] > now_s)
