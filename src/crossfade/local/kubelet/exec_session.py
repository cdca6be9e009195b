"""`kubectl exec` and `kubectl attach`: a container's streams over the channels of one WebSocket.

The first byte of each message is its channel: 0 input, 1 output, 2 error output, 3 the final status, 4 terminal size,
and, in the fifth version of the protocol, 255 to close the channel named by the second byte.
"""

import asyncio
import contextlib
import signal
from typing import Final

import orjson
from aiohttp import WSMsgType, web

from crossfade.api.meta import JsonObject
from crossfade.local.kubelet.container import Container
from crossfade.local.kubelet.logs import render
from crossfade.local.kubelet.process import StartError
from crossfade.local.kubelet.terminal import CommandStreams

_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_INPUT, _STATUS, _RESIZE, _CLOSE = 0, 3, 4, 255
_MAX_MESSAGE: Final = 32 * 1024 * 1024


async def run_command(request: web.Request, container: Container) -> web.WebSocketResponse:
    """Runs the query's command until it ends or the client goes away."""
    query = request.query
    channel = await _accept(request)
    streams = CommandStreams(
        stdin=query.get("stdin") == "true", terminal=query.get("tty") == "true", owner=container.uid
    )
    try:
        try:
            env = {"TERM": "xterm"} if streams.terminal else {}
            process = await container.execute(query.getall("command"), streams.streams, extra_env=env)
        except StartError as error:
            await _finish(channel, _failure(str(error)))
            return channel
        finally:
            streams.release()
        listening = asyncio.create_task(_listen(channel, streams))
        copying = [asyncio.create_task(_copy(channel, streams, number)) for number in list(streams.outputs)]
        try:
            ending = asyncio.create_task(process.wait())
            await asyncio.wait({ending, listening}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                process.signal(signal.SIGHUP)
                process.signal(signal.SIGKILL)
            code = await ending
            await asyncio.wait(copying, timeout=1.0)
            await _finish(channel, status_of(code))
        finally:
            for task in (listening, *copying):
                task.cancel()
            await asyncio.gather(listening, *copying, return_exceptions=True)
            process.signal(signal.SIGKILL)
    finally:
        streams.close()
    return channel


async def attach(request: web.Request, container: Container) -> web.WebSocketResponse:
    """Shows what the container prints from now on; its input is not connected."""
    channel = await _accept(request)
    written = container.log
    if written is None:
        await _finish(channel, _failure(f"container {container.name} is not running"))
        return channel
    with contextlib.suppress(ConnectionError):
        async for line in written.lines_since(written.mark()):
            number = 2 if line.split(b" ", 2)[1] == b"stderr" else 1
            await channel.send_bytes(bytes([number]) + render(line, timestamps=False))
    await _finish(channel, {"metadata": {}, "status": "Success"})
    return channel


def status_of(code: int) -> JsonObject:
    """The final message: kubectl takes its own exit code from it."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _failure(message: str) -> JsonObject:
    return {
        "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": f"Internal error occurred: {message}", "details": {"causes": [{"message": message}]},
    }  # fmt: skip


async def _accept(request: web.Request) -> web.WebSocketResponse:
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if request.headers.get("Upgrade", "").lower() != "websocket" or not any(name in offered for name in _PROTOCOLS):
        raise web.HTTPBadRequest(
            text="exec and attach need a WebSocket (v5.channel.k8s.io); use kubectl 1.31 or later, or set "
            "KUBECTL_REMOTE_COMMAND_WEBSOCKETS=true"
        )
    channel = web.WebSocketResponse(protocols=_PROTOCOLS, max_msg_size=_MAX_MESSAGE, compress=False)
    await channel.prepare(request)
    return channel


async def _copy(channel: web.WebSocketResponse, streams: CommandStreams, number: int) -> None:
    with contextlib.suppress(ConnectionError):
        async for data in streams.read(streams.outputs[number]):
            await channel.send_bytes(bytes([number]) + data)


async def _listen(channel: web.WebSocketResponse, streams: CommandStreams) -> None:
    """Until the client closes the connection."""
    async for message in channel:
        if message.type != WSMsgType.BINARY or not message.data:
            continue
        kind, payload = message.data[0], message.data[1:]
        if kind == _INPUT:
            await streams.write(payload)
        elif kind == _CLOSE and payload[:1] == bytes([_INPUT]):
            streams.close_input()
        elif kind == _RESIZE:
            size = orjson.loads(payload)
            streams.resize(columns=int(size.get("Width", 80)), rows=int(size.get("Height", 24)))


async def _finish(channel: web.WebSocketResponse, status: JsonObject) -> None:
    with contextlib.suppress(ConnectionError):
        await channel.send_bytes(bytes([_STATUS]) + orjson.dumps(status))
        await channel.close()
