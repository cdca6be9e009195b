"""`kubectl exec` and `kubectl attach`: a program's streams over the channels of one connection."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from aiohttp import web

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet import channels
from crossfade_local.kubelet.channels import INPUT, RESIZE, Channels
from crossfade_local.kubelet.container import Container
from crossfade_local.kubelet.process import StartError
from crossfade_local.kubelet.terminal import CommandStreams

# After the program's end its children may still hold its output open.
_DRAIN_S: Final = 1.0


async def run_command(request: web.Request, container: Container) -> web.StreamResponse:
    """Runs the query's command until it ends or the client goes away."""
    query = request.query
    return await _serve(request, lambda client: _run(client, container, query.getall("command"), request))


async def attach(request: web.Request, container: Container) -> web.StreamResponse:
    """Shows what the container prints from now on, and gives it the input if its spec asks for one."""
    return await _serve(request, lambda client: _attach(client, container))


async def _serve(request: web.Request, session: Callable[[Channels], Awaitable[JsonObject]]) -> web.StreamResponse:
    try:
        client, response = await channels.accept(request)
    except channels.UnsupportedUpgradeError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    await client.finish(await session(client))
    return response


async def _run(client: Channels, container: Container, argv: list[str], request: web.Request) -> JsonObject:
    query = request.query
    try:
        terminal = await container.open_terminal() if query.get("tty") == "true" else None
    except StartError as error:
        return _failure(str(error))
    streams = CommandStreams(stdin=query.get("stdin") == "true", terminal=terminal, owner=container.uid)
    try:
        process = await container.execute(
            argv, streams.streams, extra_env={"TERM": "xterm"} if streams.terminal else None
        )
    except StartError as error:
        streams.close()
        return _failure(str(error))
    finally:
        streams.release()
    listening = asyncio.create_task(_listen(client, streams))
    copying = [asyncio.create_task(_copy(client, streams, number)) for number in list(streams.outputs)]
    ending = asyncio.create_task(process.wait())
    try:
        await asyncio.wait({ending, listening}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            process.signal(signal.SIGHUP)
            process.signal(signal.SIGKILL)
        code = await ending
        await asyncio.wait(copying, timeout=_DRAIN_S)
        return status_of(code)
    finally:
        process.signal(signal.SIGKILL)
        for task in (listening, *copying):
            task.cancel()
        await asyncio.gather(listening, *copying, return_exceptions=True)
        streams.close()


async def _attach(client: Channels, container: Container) -> JsonObject:
    log, streams = container.log, container.streams
    if log is None or streams is None:
        return _failure(f"container {container.name} is not running")
    listening = asyncio.create_task(_listen(client, streams))
    try:
        with log.tapped() as printed:
            showing = asyncio.create_task(_show(client, printed))
            await asyncio.wait({showing, listening}, return_when=asyncio.FIRST_COMPLETED)
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        if container.spec.get("stdinOnce"):
            streams.close_input()
    return status_of(0)


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
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "code": 500,
        "message": f"Internal error occurred: {message}",
        "details": {"causes": [{"message": message}]},
    }


async def _copy(client: Channels, streams: CommandStreams, number: int) -> None:
    async for data in streams.read(streams.outputs[number]):
        await client.send(number, data)


async def _show(client: Channels, printed: "asyncio.Queue[tuple[str, bytes] | None]") -> None:
    while (piece := await printed.get()) is not None:
        stream, data = piece
        await client.send(2 if stream == "stderr" else 1, data)


async def _listen(client: Channels, streams: CommandStreams) -> None:
    """Until the client closes the connection."""
    async for channel, data in client:
        if channel == INPUT and data:
            await streams.write(data)
        elif channel == INPUT:
            streams.close_input()
        elif channel == RESIZE and data:
            size = orjson.loads(data)
            streams.resize(columns=int(size.get("Width", 80)), rows=int(size.get("Height", 24)))
