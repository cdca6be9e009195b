"""Sends requests at a steady rate and counts what came of them: `mesh_load.py http|grpc URL RATE SECONDS [HOST [new]]`.

With `new` each request of HTTP has a connection of its own. At the end a line of JSON: how many were sent, and what
came of those that were not answered well, by kind. SIGTERM ends it early.
"""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import grpc

METHOD = "/mesh.App/Ask"
TIMEOUT_S = 15.0
FINE = "fine"
Ask = Callable[[], Awaitable[str]]


async def main(protocol: str, url: str, rate: float, seconds: float, host: str = "", connections: str = "kept") -> None:
    seen: Counter[str] = Counter()
    when: dict[str, list[float]] = {}
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    async with AsyncExitStack() as stack:
        if protocol == "grpc":
            ask = await _grpc_client(stack, url, host)
        else:
            ask = await _http_client(stack, url, host, closes=connections == "new")

        async def one() -> None:
            kind = await ask()
            seen[kind] += 1
            if kind != FINE:
                when.setdefault(kind, []).append(round(time.time(), 2))

        begun, sent = loop.time(), 0
        async with asyncio.TaskGroup() as tasks:
            while loop.time() < begun + seconds and not stopping.is_set():
                while sent < (loop.time() - begun) * rate:
                    tasks.create_task(one())
                    sent += 1
                await asyncio.sleep(0.5 / rate)
    lost = {kind: [count, when[kind][0], when[kind][-1]] for kind, count in seen.items() if kind != FINE}
    print(json.dumps({"sent": seen.total(), "lost": lost}), flush=True)


async def _http_client(stack: AsyncExitStack, url: str, host: str, *, closes: bool) -> Ask:
    connector = aiohttp.TCPConnector(limit=0, force_close=closes)
    client = await stack.enter_async_context(
        aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
    )
    # It would repeat a request by itself where a kept connection was closed under it, and hide what was lost.
    client._retry_connection = False
    headers = {"Host": host} if host else {}

    async def ask() -> str:
        try:
            async with client.get(url, headers=headers) as answer:
                text = await answer.text()
                return FINE if answer.status == 200 else f"{answer.status} {text[-60:]}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"{type(error).__name__}: {error}"[:100]

    return ask


async def _grpc_client(stack: AsyncExitStack, url: str, host: str) -> Ask:
    options = (
        ("grpc.enable_retries", 0),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.initial_reconnect_backoff_ms", 100),
        *((("grpc.default_authority", host),) if host else ()),
    )
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(url, options=options))
    call = channel.unary_unary(METHOD)

    async def ask() -> str:
        try:
            await call(b"", timeout=TIMEOUT_S, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"[:100]
        return FINE

    return ask


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), *sys.argv[5:]))
