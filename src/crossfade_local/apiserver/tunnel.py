"""Log, exec, attach and port-forward: after authentication and authorization the request goes to the kubelet as it is.

The kubelet listens on a unix socket and sees the same method, path and query. Plain answers are streamed back; an
upgraded connection is passed on byte for byte.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
from aiohttp import web

from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.crd.formats import FORMATS
from crossfade_local.apiserver.handlers.target import stored_object
from crossfade_local.apiserver.types.registry import ResourceType
from crossfade_local.apiserver.wire import options
from crossfade_local.apiserver.wire.answers import Answer, BytesAnswer, StreamAnswer, TakenOver
from crossfade_local.apiserver.wire.request import Call
from crossfade_local.apiserver.wire.status import bad_request, internal

_DROPPED: Final = frozenset({"authorization", "host", "connection", "content-length", "transfer-encoding"})
_CHUNK: Final = 65536


async def answer(api: Api, call: Call, resource: ResourceType) -> Answer:
    if call.info.subresource == "log":
        _check_log_options(call)
    pod = stored_object(api, call, resource).object
    _check_pod(call, pod)
    if not pod["spec"].get("nodeName"):
        # A pod without a node has written nothing yet.
        return BytesAnswer(b"", "text/plain")
    if call.headers.get("Upgrade"):
        path = api.kubelet.path()
        return TakenOver(lambda: pass_through(call.transport, path))
    return await _forward(api, call)


def _check_log_options(call: Call) -> None:
    """The kubelet gets what can be read only; raises StatusError."""
    for name in ("sinceSeconds", "tailLines", "limitBytes"):
        options.number(call, name)
    moment = call.query.get("sinceTime")
    if moment and not FORMATS["date-time"](moment):
        raise bad_request(f'parsing time "{moment}" as "2006-01-02T15:04:05Z07:00": cannot parse "{moment}" as "2006"')


def _check_pod(call: Call, pod: dict[str, Any]) -> None:
    name, spec = call.info.name, pod["spec"]
    sub = call.info.subresource
    containers = [container["name"] for container in spec.get("containers") or ()]
    others = ("initContainers", "ephemeralContainers")
    every = [container["name"] for field in others for container in spec.get(field) or ()] + containers
    wanted = call.query.get("container", "")
    if sub != "portforward":
        if wanted and wanted not in every:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        if not wanted and len(containers) > 1:
            choices = " ".join(containers)
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{choices}]")
    if not spec.get("nodeName") and sub != "log":
        raise bad_request(f"pod {name} does not have a host assigned")


async def _forward(api: Api, call: Call) -> Answer:
    request: web.BaseRequest = call.transport
    headers = {key: value for key, value in call.headers.items() if key.lower() not in _DROPPED}
    session = api.kubelet.session()
    try:
        response = await session.request(
            call.method, f"http://kubelet{request.raw_path}", headers=headers, data=call.body or None
        )
    except aiohttp.ClientError as error:
        raise internal(f"error dialing backend: {error}") from error
    content_type = response.headers.get("Content-Type", "text/plain")
    if response.status >= 400:
        body = await response.read()
        return BytesAnswer(body, content_type, response.status)
    return StreamAnswer(_chunks(response), content_type, response.status)


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except aiohttp.ClientError:
        # The node agent went away in the middle; what came until then was sent.
        return
    finally:
        response.close()


class _Downstream(asyncio.Protocol):
    """Takes the client's connection over from the HTTP server (`former`)."""

    def __init__(self, upstream: asyncio.StreamWriter, former: asyncio.BaseProtocol) -> None:
        self._upstream: Final = upstream
        self._former: Final = former
        self.writable: Final = asyncio.Event()
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self._upstream.write(data)

    def eof_received(self) -> None:
        # Over TLS nothing stays half open: asyncio closes the connection after this.
        if self._upstream.can_write_eof():
            self._upstream.write_eof()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.writable.set()
        # Who is not told keeps the connection for ever, with its buffers. The server ends the request's task.
        self._former.connection_lost(exc)


async def pass_through(request: web.BaseRequest, socket_path: str) -> None:
    """Send the request's head to the kubelet and then move bytes in both directions until one side ends.

    Where that is the client, the server cancels the request, as any other."""
    transport = request.transport
    if transport is None:
        return
    reader, writer = await asyncio.open_unix_connection(socket_path)
    former = transport.get_protocol()
    client = _Downstream(writer, former)
    writer.write(_head(request))
    transport.set_protocol(client)
    transport.resume_reading()
    try:
        while chunk := await reader.read(_CHUNK):
            transport.write(chunk)
            await client.writable.wait()
    finally:
        writer.close()
        transport.set_protocol(former)
        transport.close()


def _head(request: web.BaseRequest) -> bytes:
    lines = [f"{request.method} {request.raw_path} HTTP/1.1".encode()]
    dropped = (b"authorization", b"host")
    lines += [name + b": " + value for name, value in request.raw_headers if name.lower() not in dropped]
    lines.append(b"Host: kubelet")
    return b"\r\n".join(lines) + b"\r\n\r\n"
