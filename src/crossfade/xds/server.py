"""The ADS server: gRPC streams around `Session`. Bytes are encoded before they get here."""

import asyncio
import logging
from typing import Any, Final

import grpc
import grpc.aio

from crossfade.envoy.names import PROXY_FEATURES, TOLD_SETTINGS, TRIAL_LISTENER
from crossfade.envoy.proto import core_v3, discovery_v3
from crossfade.xds.auth import Authenticate, NotAuthenticatedError, metadata_of
from crossfade.xds.load_reports import LoadReports
from crossfade.xds.port import AdsPort, open_port
from crossfade.xds.proven import Proven
from crossfade.xds.publisher import PeerRefusedError, Publisher, Subscription
from crossfade.xds.records import Receive, records_handlers
from crossfade.xds.session import Rejected, Session

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
SECRETS_SERVICE: Final = "envoy.service.secret.v3.SecretDiscoveryService"
# How long listeners and routes wait for clusters that warm slowly.
HOLD_S: Final = 2.0

log = logging.getLogger("crossfade.xds")


class AdsServer:
    """Serves from `start` to `stop`, on the loop that it was started on."""

    def __init__(
        self, server: grpc.aio.Server, port: int, stopping: asyncio.Event, load_reports: LoadReports | None
    ) -> None:
        self._server = server
        self._load_reports = load_reports
        self._stopping = stopping
        self.port = port

    @classmethod
    async def start(
        cls,
        *,
        publisher: Publisher,
        address: str,
        authenticate: Authenticate,
        credentials: grpc.ServerCredentials | None = None,
        receive: Receive | None = None,
        serves_secrets: bool = False,
        load_reports: LoadReports | None = None,
    ) -> "AdsServer":
        """As `start_on` with a port that it opens; raises what `open_port` raises."""
        return await cls.start_on(
            open_port(address, credentials),
            publisher=publisher,
            authenticate=authenticate,
            receive=receive,
            serves_secrets=serves_secrets,
            load_reports=load_reports,
        )

    @classmethod
    async def start_on(
        cls,
        port: AdsPort,
        *,
        publisher: Publisher,
        authenticate: Authenticate,
        receive: Receive | None = None,
        serves_secrets: bool = False,
        load_reports: LoadReports | None = None,
    ) -> "AdsServer":
        """`receive` gets what proxies tell of requests.

        With `serves_secrets` proxies that have all else from another server may ask for their secrets (SDS).
        `load_reports` are asked for by streams of proxies whose ADS streams are open here.
        """
        server, stopping, proven = port.server, asyncio.Event(), Proven()
        server.add_generic_rpc_handlers((_handlers(publisher, authenticate, stopping, proven),))
        if receive is not None:
            server.add_generic_rpc_handlers((records_handlers(receive, authenticate),))
        if serves_secrets:
            handlers = _handlers(publisher, authenticate, stopping, proven, secrets_alone=True)
            server.add_generic_rpc_handlers((handlers,))
        if load_reports is not None:
            server.add_generic_rpc_handlers((load_reports.handlers(proven),))
        await server.start()
        return cls(server, port.number, stopping, load_reports)

    async def stop(self, grace_s: float = 1) -> None:
        """Ends all streams in order. Proxies keep their configuration and reconnect by themselves."""
        self._stopping.set()
        if self._load_reports is not None:
            self._load_reports.stop()
        await self._server.stop(grace_s)


def _handlers(
    publisher: Publisher,
    authenticate: Authenticate,
    stopping: asyncio.Event,
    proven: Proven,
    *,
    secrets_alone: bool = False,
) -> grpc.GenericRpcHandler:
    async def stream(_: Any, context: grpc.aio.ServicerContext[Any, bytes]) -> None:
        metadata = metadata_of(context)
        try:
            proxy = await authenticate(metadata)
        except NotAuthenticatedError as error:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
        subscription = publisher.connect(proxy)
        try:
            with proven.known(metadata, proxy):
                await _Stream(context, subscription, secrets_alone=secrets_alone).run(until=stopping)
        except PeerRefusedError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        finally:
            subscription.close()

    method: grpc.RpcMethodHandler[Any, bytes] = grpc.stream_stream_rpc_method_handler(
        stream,
        request_deserializer=discovery_v3.DeltaDiscoveryRequest.FromString,
        response_serializer=None,
    )
    service, name = (SECRETS_SERVICE, "DeltaSecrets") if secrets_alone else (SERVICE, "DeltaAggregatedResources")
    return grpc.method_handlers_generic_handler(service, {name: method})


def _told(node: core_v3.Node) -> dict[str, str]:
    fields = node.metadata.fields
    return {name: text.string_value for name, text in fields[TOLD_SETTINGS].struct_value.fields.items()}


def _features(node: core_v3.Node) -> frozenset[str]:
    fields = node.metadata.fields
    return frozenset(name for name, has in fields[PROXY_FEATURES].struct_value.fields.items() if has.bool_value)


class _Stream:
    """Two tasks share the session: one reads requests, one waits for news. Writes keep their order by the lock."""

    def __init__(
        self, context: grpc.aio.ServicerContext[Any, bytes], subscription: Subscription, *, secrets_alone: bool
    ) -> None:
        self._context = context
        self._subscription = subscription
        self._session = Session(subscription.note_response, secrets_alone=secrets_alone)
        self._writing = asyncio.Lock()
        self._hold: asyncio.TimerHandle | None = None

    async def run(self, *, until: asyncio.Event) -> None:
        """Ends with whatever ends first: the proxy's side, an error, or `until`."""
        tasks = [asyncio.create_task(work) for work in (self._read(), self._watch(), until.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if self._hold is not None:
                self._hold.cancel()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    async def _read(self) -> None:
        while (request := await self._context.read()) is not grpc.aio.EOF:
            if request.HasField("node"):
                self._subscription.introduce(request.node.id, _told(request.node), _features(request.node))
            for verdict in self._session.receive(request):
                # What a proxy is only asked about is no refusal.
                if isinstance(verdict, Rejected) and verdict.name != TRIAL_LISTENER:
                    self._log_rejection(verdict)
                self._subscription.report(verdict)
            await self._flush()

    async def _watch(self) -> None:
        while True:
            await self._subscription.changed.wait()
            self._subscription.changed.clear()
            await self._flush()

    async def _flush(self) -> None:
        async with self._writing:
            wanted = self._subscription.resources
            if wanted is not None:
                self._session.update(wanted)
            for response in self._session.due():
                await self._context.write(response)
            if wanted is not None and self._session.is_settled:
                self._subscription.settle(wanted)
            self._arm_hold()

    def _arm_hold(self) -> None:
        if self._session.is_holding and self._hold is None:
            self._hold = asyncio.get_running_loop().call_later(HOLD_S, self._end_hold)
        elif not self._session.is_holding and self._hold is not None:
            self._hold.cancel()
            self._hold = None

    def _end_hold(self) -> None:
        self._hold = None
        self._session.stop_holding()
        self._subscription.changed.set()

    def _log_rejection(self, rejected: Rejected) -> None:
        log.warning(
            "xds.nack",
            extra={
                "fields": {
                    "proxy": self._subscription.proxy,
                    "node": self._subscription.node,
                    "type": rejected.kind.name.lower(),
                    "resource": rejected.name,
                    "reason": rejected.reason,
                }
            },
        )
