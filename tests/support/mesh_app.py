"""A server as pods of a mesh run it, over HTTP/1.1 or gRPC: `mesh_app.py http|grpc PORT [SECONDS]`.

At SIGTERM it ends at once, or works on for so many seconds and then ends as a good server does.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import grpc
from aiohttp import web

METHOD = "/mesh.App/Ask"
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
End = Callable[[], Awaitable[None]]
NAME = os.environ.get("POD_NAME", "app")


async def main(protocol: str, port: int, works_on_s: float) -> None:
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    end = await (_serve_grpc(port) if protocol == "grpc" else _serve_http(port))
    await told.wait()
    if not works_on_s:
        os._exit(0)
    await asyncio.sleep(works_on_s)
    await end()


async def _serve_http(port: int) -> End:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=NAME)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port, backlog=1024).start()
    return runner.cleanup


async def _serve_grpc(port: int) -> End:
    async def answer(_: bytes, __: grpc.aio.ServicerContext) -> bytes:
        return NAME.encode()

    async def check(_: bytes, __: grpc.aio.ServicerContext) -> bytes:
        return _SERVING

    class Handlers(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
            found = {METHOD: answer, _HEALTH: check}.get(details.method)
            return grpc.unary_unary_rpc_method_handler(found) if found else None

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(),))
    server.add_insecure_port(f"0.0.0.0:{port}")
    await server.start()

    async def end() -> None:
        await server.stop(5)

    return end


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float([*sys.argv, "0"][3])))
