"""The HTTP server: TLS with client certificates on every socket, requests in, answers out."""

import asyncio
import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from crossfade_local.apiserver.api import Api
from crossfade_local.apiserver.connections import Connections
from crossfade_local.apiserver.dispatch import Dispatcher, denied
from crossfade_local.apiserver.handshakes import Handshakes
from crossfade_local.apiserver.security.authentication import authenticate, impersonated
from crossfade_local.apiserver.security.pki import Pki
from crossfade_local.apiserver.state.sizes import TooLarge
from crossfade_local.apiserver.state.storage import NotWritten
from crossfade_local.apiserver.wire import options, status
from crossfade_local.apiserver.wire.answers import (
    Answer,
    BytesAnswer,
    ListAnswer,
    ObjectAnswer,
    StreamAnswer,
    TakenOver,
)
from crossfade_local.apiserver.wire.negotiation import Form, negotiate, wants_pretty
from crossfade_local.apiserver.wire.presentation import encode, list_body, show_object
from crossfade_local.apiserver.wire.request import Call, RequestInfo, User, request_info
from crossfade_local.apiserver.wire.status import PageNotFoundError, StatusError

log = logging.getLogger(__name__)

_LARGEST_BODY: Final = 3 * 1024 * 1024
_AUTHENTICATION: Final = "authentication.k8s.io"
_SHUTDOWN_S: Final = 1.0
_LONGEST_LINE: Final = 256 * 1024
"""Of the request and of a header: selectors may be long."""
_BODY_S: Final = 60.0
_IDLE_S: Final = 90.0
"""Also for the head of the first request."""
_UNREAD_S: Final = 60.0
"""How long a client may leave what it is sent in its socket."""


class HttpServer:
    """Serves an `Api` on sockets until it is closed."""

    def __init__(self, api: Api) -> None:
        self._api: Final = api
        self._dispatcher: Final = Dispatcher(api)
        self._runner: web.ServerRunner | None = None
        self._handshakes: Handshakes | None = None
        self._connections: Connections[asyncio.BaseTransport | None] = Connections()

    async def start(self, sockets: Iterable[socket.socket], context: ssl.SSLContext) -> None:
        server = _Server(
            self._handle,
            connections=self._connections,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=_IDLE_S,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            # Kubernetes does not either: a small body could be one of gigabytes.
            auto_decompress=False,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        self._handshakes = Handshakes(server, context)
        for sock in sockets:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_UNREAD_S * 1000))
            sock.listen(512)
            self._handshakes.listen(sock)

    async def close(self) -> None:
        if self._handshakes is not None:
            await self._handshakes.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.transport
        self._connections.began(connection)
        began = time.perf_counter()
        try:
            call, response = await self._answered(request)
            if call is not None:
                self._api.measures.note(call, response.status, time.perf_counter() - began)
            return response
        finally:
            if connection is None or connection.is_closing():
                self._connections.closed(connection)
            else:
                self._connections.ended(connection)

    async def _answered(self, request: web.BaseRequest) -> tuple[Call | None, web.StreamResponse]:
        """The call is None where it was not understood."""
        form = Form()
        call: Call | None = None
        try:
            call = await self._call(request)
            with self._api.measures.running(call):
                answer = await self._dispatcher.answer(call)
                if isinstance(answer, ObjectAnswer | ListAnswer):
                    form = negotiate(call.headers.get("Accept", ""), pretty=_is_for_people(call))
                return call, await self._respond(request, call, answer, form)
        except PageNotFoundError:
            return call, web.Response(text=status.NOT_FOUND_TEXT, status=404)
        except StatusError as error:
            return call, _failed(error, call)
        except web.HTTPRequestEntityTooLarge:
            text = f"Request entity too large: limit is {_LARGEST_BODY}"
            return call, _failed(StatusError(413, "RequestEntityTooLarge", text), call)
        except (NotWritten, TooLarge) as error:
            return call, _failed(status.plain_error(str(error)), call)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            log.exception("request failed: %s %s", request.method, request.path)
            return call, _failed(status.internal(str(error)), call)

    async def _call(self, request: web.BaseRequest) -> Call:
        headers = request.headers
        user = authenticate(_peer_certificate(request), headers.get("Authorization", ""), self._api.tokens)
        info = request_info(request.method, request.path, request.query)
        groups = headers.getall("Impersonate-Group", [])
        other = impersonated(headers, groups)
        if other is not None:
            self._check_impersonation(user, other, groups)
        body = await _body(request) if request.can_read_body else b""
        return Call(request.method, info, request.query, headers, body, other or user, transport=request)

    def _check_impersonation(self, user: User, other: User, groups: list[str]) -> None:
        asked = [RequestInfo("impersonate", "", "", "v1", "users", name=other.name)]
        if other.name.startswith("system:serviceaccount:"):
            namespace, name = other.name.split(":")[2:4]
            asked = [RequestInfo("impersonate", "", "", "v1", "serviceaccounts", "", namespace, name)]
        asked += [RequestInfo("impersonate", "", "", "v1", "groups", name=group) for group in groups]
        if other.uid:
            asked.append(RequestInfo("impersonate", "", _AUTHENTICATION, "v1", "uids", name=other.uid))
        asked += [
            RequestInfo("impersonate", "", _AUTHENTICATION, "v1", "userextras", key, name=value)
            for key, values in other.extra.items()
            for value in values
        ]
        for info in asked:
            if not self._api.authorizer.allows(user, info)[0]:
                raise denied(Call("", info, {}, {}, b"", user))

    async def _respond(self, request: web.BaseRequest, call: Call, answer: Answer, form: Form) -> web.StreamResponse:
        headers = _warning_headers(call.warnings)
        include = options.included_object(call) if form.convert == "Table" else ""
        match answer:
            case ObjectAnswer():
                body = encode(show_object(self._api, answer, form, include=include), form)
                return web.Response(body=body, status=answer.status, headers=headers, content_type=form.encoding)
            case ListAnswer():
                body = await list_body(self._api, answer, form, include=include)
                return web.Response(body=body, headers=headers, content_type=form.encoding)
            case BytesAnswer():
                headers |= {**answer.headers, "Content-Type": answer.content_type}
                return web.Response(body=answer.body, status=answer.status, headers=headers)
            case StreamAnswer():
                headers["Content-Type"] = answer.content_type
                return await _stream(request, answer, headers)
            case TakenOver():
                await answer.run()
                return web.Response()


class _Server(web.Server):
    """Closes an idle connection where there are too many."""

    def __init__(
        self, *arguments: Any, connections: Connections[asyncio.BaseTransport | None], **keywords: Any
    ) -> None:
        super().__init__(*arguments, **keywords)
        self._known = connections

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        surplus = self._known.opened(transport)
        if isinstance(surplus, asyncio.WriteTransport):
            surplus.abort()

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        self._known.closed(handler.transport)
        super().connection_lost(handler, exc)


async def _body(request: web.BaseRequest) -> bytes:
    """Raises StatusError where it does not arrive."""
    try:
        async with asyncio.timeout(_BODY_S):
            return await request.read()
    except TimeoutError as error:
        raise StatusError(408, "Timeout", f"the body did not arrive within {_BODY_S:.0f} s") from error


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """A request whose body may be as large as Kubernetes allows."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)


async def _stream(request: web.BaseRequest, answer: StreamAnswer, headers: dict[str, str]) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    chunks = answer.chunks
    try:
        async for chunk in chunks:
            if chunk:
                await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        # The client left; there is nobody to tell.
        pass
    finally:
        close: Any = getattr(chunks, "aclose", None)
        if close is not None:
            with contextlib.suppress(RuntimeError):
                await close()
    return response


def _failed(error: StatusError, call: Call | None) -> web.Response:
    headers = {**error.headers, **_warning_headers(call.warnings if call else ())}
    body = encode(error.status(), Form(pretty=call is not None and _is_for_people(call)))
    return web.Response(body=body, status=error.code, headers=headers, content_type="application/json")


def _is_for_people(call: Call) -> bool:
    return wants_pretty(call.query.get("pretty", ""), call.headers.get("User-Agent", ""))


def _warning_headers(warnings: Iterable[str]) -> dict[str, str]:
    values = [f"299 - {_quoted(text)}" for text in warnings]
    return {"Warning": ", ".join(values)} if values else {}


def _quoted(text: str) -> str:
    plain = "".join(character if character.isprintable() else " " for character in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _peer_certificate(request: web.BaseRequest) -> Mapping[str, Any] | None:
    if request.transport is None:
        return None
    connection = request.transport.get_extra_info("ssl_object")
    found: Mapping[str, Any] | None = connection.getpeercert() if connection is not None else None
    return found


def tls_context(pki: Pki) -> ssl.SSLContext:
    """Server certificate of the cluster's CA; client certificates are optional, but if sent must be of that CA."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(pki.ca_certificate))
    context.load_cert_chain(pki.server_certificate, pki.server_key)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context
