"""HTTPS server for admission webhooks; what to answer is the handlers' business.

A handler that fails is answered with 500, so that the webhook's failurePolicy decides. Objects are never logged.
"""

import logging
import ssl
import time
from collections import Counter
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
from crossfade_kube.tally import Durations

log = logging.getLogger(__name__)

Handler: TypeAlias = Callable[[AdmissionRequest], Awaitable[AdmissionAnswer]]

_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
# The largest object that an API server stores is 3 MiB; a review of an update holds two.
_MAX_REVIEW_BYTES: Final = 8 * 1024 * 1024


class AdmissionTally:
    """`requests` by path, operation and whether it was allowed (`true`, `false`); `durations` by path."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.durations: dict[str, Durations] = {}

    def note(self, path: str, operation: str, took_s: float, *, is_allowed: bool) -> None:
        known = operation if operation in _OPERATIONS else "other"
        self.requests[path, known, "true" if is_allowed else "false"] += 1
        self.durations.setdefault(path, Durations()).add(took_s)


@asynccontextmanager
async def admission_server(
    handlers: Mapping[str, Handler],
    *,
    host: str,
    port: int,
    tls: ssl.SSLContext | None,
    tally: "AdmissionTally | None" = None,
    is_leaving: Callable[[], bool] = bool,
) -> AsyncIterator[int]:
    """Serves `handlers` by path and yields the port (of interest where 0 was asked for).

    A handler may raise Denied instead of answering. Certificates loaded later into `tls` hold for new connections.
    No connection is kept while it `is_leaving`.
    """
    app = web.Application(client_max_size=_MAX_REVIEW_BYTES)
    for path, handler in handlers.items():
        app.router.add_post(path, _endpoint(handler, path, tally or AdmissionTally(), is_leaving))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        bound: int = runner.addresses[0][1]
        yield bound
    finally:
        await runner.cleanup()


def _endpoint(
    handler: Handler, path: str, tally: AdmissionTally, is_leaving: Callable[[], bool]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(http_request: web.Request) -> web.Response:
        try:
            request = request_from_review(orjson.loads(await http_request.read()))
        except ValueError as exc:
            return web.Response(status=400, text=str(exc))
        begun = time.monotonic()
        decided = await _decided(handler, request)
        tally.note(path, request.operation, time.monotonic() - begun, is_allowed=not decided.denial)
        review = review_from_answer(request.uid, decided, request.api_version)
        response = web.Response(body=orjson.dumps(review), content_type="application/json")
        if is_leaving():
            response.force_close()
        return response

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
