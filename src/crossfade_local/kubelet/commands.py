"""Short commands beside a container's program: those of exec probes and of hooks."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

from crossfade_kube.meta import JsonObject
from crossfade_local.kubelet import probes, process
from crossfade_local.kubelet.process import Pipe, Process, StartError, Streams

Execute = Callable[[list[str], Streams], Awaitable[Process]]

_MAX_OUTPUT: Final = 16_384
_CANNOT_START: Final = 126
_HTTP_HOOK_TIMEOUT_S: Final = 30.0


async def run_command(argv: list[str], execute: Execute) -> tuple[int, bytes]:
    """Exit code and the beginning of the output. Cancelling it ends the command."""
    out = Pipe.open()
    reader = asyncio.StreamReader()
    try:
        with process.null_input() as null:
            started = await execute(argv, Streams(null.fileno(), out.write, out.write))
    except StartError as error:
        os.close(out.read)
        return _CANNOT_START, str(error).encode()
    finally:
        os.close(out.write)
    source = os.fdopen(out.read, "rb", buffering=0)
    connect = asyncio.get_running_loop().connect_read_pipe
    transport, _ = await connect(lambda: asyncio.StreamReaderProtocol(reader), source)
    try:
        code = await started.wait()
        return code, await reader.read(_MAX_OUTPUT)
    except asyncio.CancelledError:
        started.signal(signal.SIGKILL)
        raise
    finally:
        transport.close()


async def run_hook(hook: JsonObject, target: probes.Target, owner: Process) -> str:
    """What went wrong, or nothing. A hook that outlives its container is ended."""
    if "sleep" in hook:
        await asyncio.sleep(hook["sleep"].get("seconds", 0))
        return ""
    if "exec" in hook:
        running = asyncio.ensure_future(target.run_command(list(hook["exec"].get("command") or ())))
        return await _outcome(running, owner)
    result = await probes.check(hook, target, timeout_s=_HTTP_HOOK_TIMEOUT_S)
    return "" if result.ok else result.message


async def run_pre_stop(spec: JsonObject, target: probes.Target, owner: Process, grace_s: float) -> str:
    """What went wrong with the container's preStop hook, or nothing."""
    hook = (spec.get("lifecycle") or {}).get("preStop")
    if not hook:
        return ""
    try:
        async with asyncio.timeout(grace_s):
            return await run_hook(hook, target, owner)
    except TimeoutError:
        return f"it did not end within the grace period of {grace_s:g}s"


async def _outcome(running: "asyncio.Future[tuple[int, bytes]]", owner: Process) -> str:
    ended = asyncio.ensure_future(owner.wait())
    try:
        both: set[asyncio.Future[Any]] = {running, ended}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            return "the container ended before its hook"
        try:
            code, output = running.result()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return "" if code == 0 else output.decode(errors="replace").strip() or f"exit code {code}"
    finally:
        running.cancel()
        ended.cancel()
