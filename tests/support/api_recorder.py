"""What a client asks of an API server, noted on the way: as RBAC names it, with the answer's status."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, NamedTuple

import aiohttp
from aiohttp import web

from crossfade_kube.kubeconfig import ClusterConfig

_WRITES: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_RESOURCES: Final = ("/api/", "/apis/")
_HOP: Final = {"host", "transfer-encoding", "content-length", "connection"}


class Asked(NamedTuple):
    """`resource` is `plural` or `plural/subresource`."""

    verb: str
    group: str
    resource: str


class Recorder:
    """`asked` has the statuses of the answers; `url` is where to ask instead of the server."""

    def __init__(self, config: ClusterConfig, session: aiohttp.ClientSession) -> None:
        self.asked: dict[Asked, set[int]] = {}
        self.url = ""
        self._config = config
        self._session = session
        # Who asks has its own rights only.
        self._tls = replace(config, client_certificate_pem=None, client_key_pem=None).ssl_context() or True

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with self._session.request(
            request.method,
            f"{self._config.server}{request.raw_path}",
            data=await request.read(),
            headers=headers | {"Accept-Encoding": "identity"},
            ssl=self._tls,
        ) as answer:
            if request.path.startswith(_OF_RESOURCES):
                self.asked.setdefault(asked_of(request), set()).add(answer.status)
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return response


def asked_of(request: web.Request) -> Asked:
    parts = request.path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource = "/".join((rest[0], *rest[2:3]))
    if request.method == "GET":
        verb = "watch" if request.query.get("watch") else "get" if len(rest) > 1 else "list"
    else:
        verb = _WRITES[request.method]
    return Asked(verb, group, resource)


@asynccontextmanager
async def recording(config: ClusterConfig) -> AsyncIterator[Recorder]:
    """On loopback, without TLS; who asks shows its own token."""
    async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout()) as session:
        recorder = Recorder(config, session)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", recorder.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield recorder
        finally:
            await runner.cleanup()
