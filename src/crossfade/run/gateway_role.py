"""The controller's role `gateway`: a cluster's Ingress and Kong objects → the Envoy beside it, and statuses back.

Every replica configures its own proxy; one of them, the leader, writes statuses. When this process ends, the proxy goes
on with what it has.
"""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.compiler import INPUT_KINDS, compile_gateway
from crossfade.envoy.policy_library import policy_library_path
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.kube.client import Client
from crossfade.kube.events import EventRecorder
from crossfade.kube.lease import LeaderElection
from crossfade.run.gateway_settings import GatewaySettings
from crossfade.run.gateway_webhook import serve_webhook
from crossfade.run.logging import EventLog
from crossfade.run.sources import ClusterSource
from crossfade.run.tasks import SupervisedTasks
from crossfade.status.kong import StatusInput, decide_changes
from crossfade.status.writer import StatusWriter
from crossfade.store.snapshot import Snapshot
from crossfade.xds.auth import always
from crossfade.xds.publisher import Publisher, Rejection
from crossfade.xds.server import AdsServer

PROXY: Final = "gateway"
COMPONENT: Final = "kong-ingress-controller"
log = EventLog("crossfade.gateway")


async def run_gateway_role(settings: GatewaySettings) -> None:
    """Until cancelled."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(settings.cluster, user_agent="crossfade-gateway"))
        role = _Role(settings, client)
        stack.push_async_callback((await _health_server(role, settings.health_port)).cleanup)
        ads = await AdsServer.start(publisher=role.publisher, address=settings.ads_address, authenticate=always(PROXY))
        stack.push_async_callback(ads.stop)
        tasks = await stack.enter_async_context(SupervisedTasks(log))
        tasks.start("read the cluster", role.source.run)
        tasks.start("compile", role.compile)
        tasks.start("write events", role.events.run)
        tasks.start("lead", role.lead)
        if settings.webhook is not None:
            tasks.start("webhook", role.webhook)


class _Role:
    """What the tasks share: the latest snapshot and what was decided on it."""

    def __init__(self, settings: GatewaySettings, client: Client) -> None:
        self.publisher = Publisher(on_rejected=_log_rejection)
        self.source = ClusterSource(client, INPUT_KINDS, log=log)
        self.events = EventRecorder(client, COMPONENT, instance=settings.identity)
        self.is_ready = False
        self._settings = settings
        self._client = client
        # The proxy's image holds the same installation, so the same path.
        self._options = EnvoyOptions(policy_library_path(), settings.compile.token)
        self._snapshot = Snapshot(0, {})
        self._status: StatusInput | None = None
        self._writer: StatusWriter | None = None

    async def compile(self) -> None:
        async for snapshot in self.source:
            model, diagnostics = compile_gateway(snapshot, self._settings.compile)
            self.publisher.publish(PROXY, resources_from_model(model, options=self._options))
            self._add_unreadable(diagnostics)
            self._snapshot = snapshot
            self._status = StatusInput(
                snapshot, diagnostics, self._settings.compile.ingress_class, self._settings.publish_service
            )
            self.is_ready = True
            self._submit()

    def _add_unreadable(self, diagnostics: Diagnostics) -> None:
        for found in self.source.diagnostics():
            diagnostics.error(
                found.ref, found.code, found.message, effect=found.effect, hint=found.hint, field=found.field
            )

    async def lead(self) -> None:
        election = LeaderElection(
            self._client,
            namespace=self._settings.lease.namespace,
            name=self._settings.lease.name,
            identity=self._settings.identity,
        )
        await election.lead(self._write_statuses)

    async def webhook(self) -> None:
        if self._settings.webhook is not None:
            await serve_webhook(self._client, self._settings.webhook, lambda: self._snapshot)

    async def _write_statuses(self) -> None:
        self._writer = StatusWriter(self._client, self.events)
        try:
            self._submit()
            await self._writer.run()
        finally:
            self._writer = None

    def _submit(self) -> None:
        if self._writer is not None and self._status is not None:
            self._writer.submit(decide_changes(self._status, now=datetime.now(UTC)))


async def _health_server(role: _Role, port: int) -> web.AppRunner:
    """`/healthz`: the process lives; `/readyz`: the proxy can have its configuration."""

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ok") if role.is_ready else web.Response(status=503, text="not synced")

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()
    return runner


def _log_rejection(rejection: Rejection) -> None:
    refused = rejection.rejected
    log.error("xds.nack", node=rejection.node, type=refused.kind.name, name=refused.name, reason=refused.reason)
