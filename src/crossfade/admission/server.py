"""HTTPS server for admission webhooks; what to answer is the handlers' business.

A handler that fails is answered with 500, so that the webhook's failurePolicy decides. Objects are never logged.
"""

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import orjson
from aiohttp import web

from crossfade.admission.review import (
    AdmissionAnswer,
    AdmissionRequest,
    Denied,
    request_from_review,
    review_from_answer,
)

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[AdmissionRequest], Awaitable[AdmissionAnswer]]

# The largest object that an API server stores is 3 MiB; a review of an update holds two.
_MAX_REVIEW_BYTES: Final = 8 * 1024 * 1024


@asynccontextmanager
async def admission_server(
    handlers: Mapping[str, Handler], *, host: str, port: int, tls: ssl.SSLContext | None
) -> AsyncIterator[int]:
    """Serves `handlers` by path and yields the port (of interest where 0 was asked for).

    A handler may raise Denied instead of answering. Certificates loaded later into `tls` hold for new connections.
    """
    app = web.Application(client_max_size=_MAX_REVIEW_BYTES)
    for path, handler in handlers.items():
        app.router.add_post(path, _endpoint(handler))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        bound: int = runner.addresses[0][1]
        yield bound
    finally:
        await runner.cleanup()


def _endpoint(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(http_request: web.Request) -> web.Response:
        try:
            request = request_from_review(orjson.loads(await http_request.read()))
        except ValueError as exc:
            return web.Response(status=400, text=str(exc))
        review = review_from_answer(request.uid, await _decided(handler, request), request.api_version)
        return web.Response(body=orjson.dumps(review), content_type="application/json")

    return answer


async def _decided(handler: Handler, request: AdmissionRequest) -> AdmissionAnswer:
    try:
        return await handler(request)
    except Denied as denial:
        fields = {"kind": request.kind, "namespace": request.namespace, "name": request.name, "reason": str(denial)}
        log.info("admission.denied", extra={"fields": fields})
        return AdmissionAnswer(denial=str(denial))
    except Exception:
        log.exception("admission.failed", extra={"fields": {"kind": request.kind, "name": request.name}})
        raise
