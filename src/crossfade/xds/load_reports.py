"""Load reports (LRS): how many of their requests proxies saw fail, asked for only while somebody wants to know.

Every proxy keeps a stream open beside its ADS stream; nothing goes over it until something is wanted. Errors that a
proxy makes up itself (faults, limits) are not in a report: it counts what endpoints answered.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import grpc
import grpc.aio

from crossfade.envoy.proto import duration, load_stats_v3
from crossfade.xds.auth import NotAuthenticatedError, metadata_of
from crossfade.xds.proven import Proven

SERVICE: Final = "envoy.service.load_stats.v3.LoadReportingService"
REPORT_S: Final = 2.0
# Envoy reports without end once it was asked, so that nothing means nothing in a day.
_NEVER_S: Final = 86_400.0


class Load(NamedTuple):
    """Requests to the endpoints of one cluster; failed are answers of 5xx, resets and timeouts."""

    succeeded: int
    failed: int


Wanted: TypeAlias = Callable[[str], frozenset[str]]
"""Of which clusters of a proxy; none while nobody wants to know."""


class LoadReports:
    """`wanted` is asked anew after each `look_again`; `on_report` gets a proxy's clusters that had requests."""

    def __init__(self, wanted: Wanted, on_report: Callable[[str, Mapping[str, Load]], None]) -> None:
        self._wanted = wanted
        self._on_report = on_report
        self._streams: set[_Stream] = set()
        self._is_over = False

    def look_again(self) -> None:
        for one in self._streams:
            one.changed.set()

    def stop(self) -> None:
        self._is_over = True
        self.look_again()

    def handlers(self, proven: Proven) -> grpc.GenericRpcHandler:
        async def stream(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            try:
                proxy = await proven.proxy_of(metadata_of(context))
            except NotAuthenticatedError as error:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
            await self._serve(_Stream(proxy), context)

        method: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(
            stream,
            request_deserializer=load_stats_v3.LoadStatsRequest.FromString,
            response_serializer=load_stats_v3.LoadStatsResponse.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"StreamLoadStats": method})

    async def _serve(self, stream: "_Stream", context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._streams.add(stream)
        reading = asyncio.create_task(self._read(stream, context))
        try:
            while not self._is_over and not reading.done():
                await self._tell(stream, context)
                await stream.changed.wait()
                stream.changed.clear()
            if reading.done():
                reading.result()
        finally:
            self._streams.discard(stream)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _tell(self, stream: "_Stream", context: grpc.aio.ServicerContext[Any, Any]) -> None:
        wanted = self._wanted(stream.proxy)
        if wanted != stream.asked:
            stream.asked = wanted
            pause = duration(REPORT_S if wanted else _NEVER_S)
            await context.write(load_stats_v3.LoadStatsResponse(clusters=sorted(wanted), load_reporting_interval=pause))

    async def _read(self, stream: "_Stream", context: grpc.aio.ServicerContext[Any, Any]) -> None:
        try:
            while (request := await context.read()) is not grpc.aio.EOF:
                loads = {name: load for name, load in stream.loads(request).items() if name in stream.asked}
                if loads:
                    self._on_report(stream.proxy, loads)
        finally:
            stream.changed.set()


class _Stream:
    def __init__(self, proxy: str) -> None:
        self.proxy = proxy
        self.asked: frozenset[str] = frozenset()
        self.changed = asyncio.Event()
        self._in_progress: dict[str, int] = {}

    def loads(self, request: load_stats_v3.LoadStatsRequest) -> dict[str, Load]:
        """Of clusters that had requests since the report before.

        Envoy counts 5xx as errors of an endpoint only with the statuses of its cluster, which are off unless asked
        for: what has ended and did not succeed has failed. Where no connection is to be had nothing is issued, and the
        errors say it.
        """
        found: dict[str, Load] = {}
        for cluster in request.cluster_stats:
            of_zones = cluster.upstream_locality_stats
            in_progress = sum(one.total_requests_in_progress for one in of_zones)
            issued = sum(one.total_issued_requests for one in of_zones)
            ended = issued - in_progress + self._in_progress.get(cluster.cluster_name, 0)
            self._in_progress[cluster.cluster_name] = in_progress
            succeeded = sum(one.total_successful_requests for one in of_zones)
            errors = sum(one.total_error_requests for one in of_zones)
            # Those that were on their way when nobody had asked yet are not in `ended`.
            load = Load(succeeded, max(ended - succeeded, errors))
            if any(load):
                found[cluster.cluster_name] = load
        return found
