"""The Admin API over HTTP, for reading, and for purging what proxy-cache keeps."""

import ipaddress
import socket
import ssl
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from crossfade.admin_api.cached import CachedAnswers
from crossfade.admin_api.envoy_admin import EnvoyAdmin
from crossfade.admin_api.pages import information, page
from crossfade.admin_api.state import AdminState
from crossfade.certs.ca import KeyPair
from crossfade.certs.key_files import load_into
from crossfade.compile.model import ServerCertificate
from crossfade.compile.policies.registry import PLUGINS
from crossfade.explain.model import Explanation, StreamExplanation
from crossfade.explain.request import BadRequest, question_of
from crossfade.explain.streams import is_stream_url, stream_question_of
from crossfade.kong_conf.listen import Listen

_READY: Final = {"message": "ready"}
_EMPTY: Final = {"message": "no configuration available (empty configuration present)"}
_CACHED_PATHS: Final = ("/proxy-cache", "/proxy-cache/{cache_key}", "/proxy-cache/{plugin_id}/caches/{cache_key}")
_LARGEST_QUESTION: Final = 64 * 1024
EXPLAIN_PATH: Final = "/crossfade/explain"


class _Asked(msgspec.Struct, frozen=True):
    url: str
    method: str = ""
    headers: tuple[str, ...] = ()
    client: str = "127.0.0.1"


@asynccontextmanager
async def admin_server(
    state: AdminState,
    *,
    listens: Sequence[Listen],
    server_token: str,
    proxy: EnvoyAdmin,
    cached: CachedAnswers,
    certificate: ServerCertificate | None = None,
) -> AsyncIterator[None]:
    """`server_token` is `kong/<version>`; `proxy` and `cached` are asked for what only they know; `certificate` is
    for TLS. Raises OSError when an address is taken.
    """
    pages = _Pages(state, server_token, proxy, cached)
    app = web.Application(client_max_size=_LARGEST_QUESTION, middlewares=[_as_kong(server_token)])
    app.router.add_get("/", pages.root)
    app.router.add_get("/status", pages.status)
    app.router.add_get("/status/ready", pages.ready)
    app.router.add_get("/metrics", pages.metrics)
    app.router.add_get("/endpoints", pages.endpoints)
    app.router.add_get("/plugins/enabled", pages.enabled)
    app.router.add_post(EXPLAIN_PATH, pages.explain)
    app.router.add_route("*", "/proxy-cache", pages.cached)
    app.router.add_route("*", "/proxy-cache/{path:.*}", pages.cached)
    app.router.add_route("*", "/{path:.*}", pages.entities)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        for listen in listens:
            await web.SockSite(runner, _socket(listen), ssl_context=_tls(certificate) if listen.ssl else None).start()
        yield
    finally:
        await runner.cleanup()


def _socket(listen: Listen) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.address else socket.AF_INET
    return socket.create_server(
        (listen.address, listen.port),
        family=family,
        dualstack_ipv6=listen.takes_ipv4_too,
        backlog=listen.backlog or 128,
    )


def _tls(certificate: ServerCertificate | None) -> ssl.SSLContext:
    if certificate is None:
        raise ValueError("a certificate is needed to listen with TLS")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    load_into(context, KeyPair(certificate.chain_pem.encode(), certificate.key_pem.encode()))
    return context


def _as_kong(server_token: str) -> Middleware:
    """A name that leads to loopback is no reason to show a page of somebody else's what is on this machine.

    Other addresses were opened to those who reach them, by whatever name.
    """

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _came_by_loopback(request) and not _is_local(request.host):
            response: web.StreamResponse = _json({"message": "ask by address or as localhost"}, 403)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = _json({"message": error.reason}, error.status)
        response.headers["Server"] = server_token
        return response

    return answer


def _came_by_loopback(request: web.Request) -> bool:
    name = request.transport.get_extra_info("sockname") if request.transport is not None else None
    return name is None or ipaddress.ip_address(str(name[0]).removeprefix("::ffff:")).is_loopback


def _is_local(authority: str) -> bool:
    host = authority.rpartition(":")[0] if authority.rpartition(":")[2].isdigit() else authority
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host in ("localhost", "")
    return True


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, headers={"Content-Type": "application/json; charset=utf-8"}
    )


class _Pages:
    def __init__(self, state: AdminState, server_token: str, proxy: EnvoyAdmin, cached: CachedAnswers) -> None:
        self._state = state
        self._proxy = proxy
        self._cached = cached
        version = server_token.rpartition("/")[2]
        self._information = information(version=version, hostname=socket.gethostname(), node_id=str(uuid.uuid4()))

    async def root(self, _: web.Request) -> web.Response:
        return _json(self._information)

    async def status(self, _: web.Request) -> web.Response:
        return _json(
            {
                "memory": {"lua_shared_dicts": {}, "workers_lua_vms": []},
                "server": await self._proxy.connections(),
                "configuration_hash": await self._state.configuration_hash(),
            }
        )

    async def metrics(self, request: web.Request) -> web.Response:
        found = await self._proxy.metrics(request.query_string)
        if found is None:
            return _json({"message": "the proxy does not answer"}, 503)
        return web.Response(body=found.encode(), headers={"Content-Type": "text/plain; charset=UTF-8"})

    async def ready(self, _: web.Request) -> web.Response:
        return _json(_READY) if self._state.is_ready else _json(_EMPTY, 503)

    async def endpoints(self, _: web.Request) -> web.Response:
        book = await self._state.book()
        paths = ["/", "/endpoints", "/metrics", "/plugins/enabled", "/status", "/status/ready", *_CACHED_PATHS]
        found = sorted([*paths, *(f"/{name}" for name in book.collections)])
        return _json({"data": found, "next": None})

    async def enabled(self, _: web.Request) -> web.Response:
        return _json({"enabled_plugins": sorted(PLUGINS)})

    async def entities(self, request: web.Request) -> web.Response:
        healths = await self._proxy.healths() if request.path.rstrip("/").endswith("/health") else None
        found = page(await self._state.book(), request.method, request.path, request.query, healths)
        return _json(found.body, found.status)

    async def cached(self, request: web.Request) -> web.Response:
        found = await self._cached.page(await self._state.book(), request.method, request.path)
        return web.Response(status=204) if found.status == 204 else _json(found.body, found.status)

    async def explain(self, request: web.Request) -> web.Response:
        """For `crossfade explain --admin`; not of Kong's."""
        try:
            asked = msgspec.json.decode(await request.read(), type=_Asked)
            found: Explanation | StreamExplanation | None
            if is_stream_url(asked.url):
                found = await self._state.explain_stream(stream_question_of(asked.url))
            else:
                question = question_of(asked.method, asked.url, asked.headers, client=asked.client)
                found = await self._state.explain(question, asked.url)
        except (msgspec.MsgspecError, BadRequest, ValueError) as error:
            return _json({"message": str(error)}, 400)
        if found is None:
            return _json(_EMPTY, 503)
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")
