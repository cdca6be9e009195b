"""The controller's role `gateway`: a cluster's Ingress and Kong objects → the Envoy beside it, and statuses back.

Every replica configures its own proxy; one of them, the leader, writes statuses. When this process ends, the proxy goes
on with what it has.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

from crossfade import __version__
from crossfade.admin_api.access import POD_SOCKET, new_access
from crossfade.certs.ca import KeyPair
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway.compiler import (
    INPUT_FIELDS,
    INPUT_KINDS,
    INPUT_SELECTORS,
    MAY_BE_FORBIDDEN,
    ON_DEMAND,
    CompiledGateway,
)
from crossfade.compile.mesh_native.inputs import MESH_KINDS
from crossfade.controller.expiry import webhook_expiry
from crossfade.controller.gateway.certificates import Certificates
from crossfade.controller.gateway.expiries import expiries_of
from crossfade.controller.gateway.publication import gateway_publication
from crossfade.controller.gateway.settings import GatewaySettings
from crossfade.controller.gateway.told_settings import ToldSettings
from crossfade.controller.gateway.webhook import serve_webhook
from crossfade.controller.health import health_server
from crossfade.controller.leaving import Leaving
from crossfade.controller.metrics import metrics_server
from crossfade.controller.ports import PortUse, check_ports
from crossfade.controller.records import shown_records
from crossfade.controller.sources import ClusterSource
from crossfade.controller.tally import ControllerTally, Expiry
from crossfade.envoy.gateway import GatewayBuilder, NodeUnknownError
from crossfade.envoy.settings import CachedAccess, EnvoyOptions
from crossfade.observe.gateway import GatewayRecords
from crossfade.policy_module.path import policy_library_path
from crossfade.proxy.run import GATEWAY_ADMIN_PORT
from crossfade.status.fault_log import FaultLog
from crossfade.status.kong import StatusDecider, StatusInput
from crossfade.status.writer import StatusWriter
from crossfade.store.snapshot import Snapshot
from crossfade.xds.auth import always
from crossfade.xds.gateway import PROXY
from crossfade.xds.server import AdsServer
from crossfade_kube.client import Client
from crossfade_kube.core import Pod
from crossfade_kube.errors import ConfigError
from crossfade_kube.events import EventRecorder
from crossfade_kube.kubeconfig import in_cluster_config, load_kubeconfig
from crossfade_kube.lease import LeaderElection
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import NamespacedName, ObjectRef
from crossfade_kube.registry import TypedObject
from crossfade_kube.tasks import SupervisedTasks

COMPONENT: Final = "kong-ingress-controller"
# A new route is live this much later at least, and a burst of changes goes out at once.
_QUIET_S: Final = 0.01
_MAX_UNREST_S: Final = 0.25

log = EventLog("crossfade.gateway")


async def run_gateway_role(settings: GatewaySettings) -> None:
    """Until cancelled; raises ConfigError when the cluster's configuration cannot be used."""
    for remark in settings.remarks:
        log.warning("settings.without-effect", setting=remark.where, reason=remark.text)
    config = load_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster_config(settings.cluster)
    check_ports(_ports(settings))
    async with Client(config, user_agent=f"crossfade-gateway/{__version__}") as client:
        leaving = Leaving()
        role = _Role(settings, client, leaving)
        async with (
            health_server(host="0.0.0.0", port=settings.health_port, waits_for=role.waits_for, leaving=leaving),
            metrics_server(role.tally, host="0.0.0.0", port=settings.metrics_port),
        ):
            await role.run()


def _ports(settings: GatewaySettings) -> Iterator[PortUse]:
    ads_host, _, ads_port = settings.ads_address.rpartition(":")
    if not ads_port.isdigit():
        raise ConfigError(f"CROSSFADE_ADS_ADDRESS is {settings.ads_address!r}: it must be host:port")
    yield PortUse("0.0.0.0", settings.health_port, "health checks", "CROSSFADE_HEALTH_PORT")
    yield PortUse(ads_host.strip("[]"), int(ads_port), "the proxy's configuration", "CROSSFADE_ADS_ADDRESS")
    if settings.webhook is not None:
        yield PortUse("0.0.0.0", settings.webhook.port, "the webhook", "CONTROLLER_ADMISSION_WEBHOOK_LISTEN")
    for listen in settings.admin_listen:
        yield PortUse(listen.address, listen.port, "the Admin API", "CROSSFADE_ADMIN_API_PORT or KONG_ADMIN_LISTEN")


def _of_mesh() -> Mapping[type[TypedObject], Callable[[Snapshot], bool]]:
    """What is read when something asks for it. Only a gateway in a mesh waits for the import of its compiler."""
    from crossfade.compile.mesh import needs_pods

    return {**ON_DEMAND, Pod: needs_pods}


class _Role:
    """What the tasks share: the latest snapshot and what was decided on it."""

    def __init__(self, settings: GatewaySettings, client: Client, leaving: Leaving) -> None:
        is_in_mesh = bool(settings.compile.mesh_node)
        self.source = ClusterSource(
            client,
            (*INPUT_KINDS, *MESH_KINDS) if is_in_mesh else INPUT_KINDS,
            log=log,
            selectors=INPUT_SELECTORS,
            fields=INPUT_FIELDS,
            on_demand=_of_mesh() if is_in_mesh else ON_DEMAND,
            may_be_forbidden=MAY_BE_FORBIDDEN,
            quiet_s=_QUIET_S,
            max_unrest_s=_MAX_UNREST_S,
        )
        self.events = EventRecorder(client, COMPONENT, instance=settings.identity)
        self._settings = settings
        self._client = client
        self._leaving = leaving
        self._told = ToldSettings(settings.compile, settings.kong_names, on_changed=self._compile_anew)
        # The proxy's image holds the same installation, so the same path.
        self._cached = new_access(POD_SOCKET) if settings.admin_listen else None
        options = EnvoyOptions(
            policy_library_path(),
            settings.compile.token,
            self._cached,
            GATEWAY_ADMIN_PORT,
            sends_records=settings.compile.records,
        )
        pod = ObjectRef("v1", "Pod", settings.lease.namespace, settings.identity)
        self._options = options
        self._publication = gateway_publication(options, self.events, pod, self._told)
        self._records: GatewayRecords | None = None
        if settings.compile.records:
            node = f"{settings.compile.namespace}/{settings.identity}"
            self._records = GatewayRecords(self._publication.publisher, lambda: self._compiled, node=node)
        self.tally = ControllerTally(
            "gateway",
            "gateway",
            publisher=self._publication.publisher,
            watches=lambda: self.source.watches,
            expiries=self._expiries,
        )
        self._webhook_pair: KeyPair | None = None
        self._faults = FaultLog(log)
        self._snapshot = Snapshot(0, {})
        self._status: StatusInput | None = None
        self._compiled: CompiledGateway | None = None
        self._lacks_node = ""
        self._decider = StatusDecider()
        self._writer: StatusWriter | None = None
        self._certificates = Certificates(
            client, settings.compile, self.events, lambda: self._publication.publisher.is_taken(PROXY)
        )

    def waits_for(self) -> str:
        """Nothing: the proxy can have its configuration."""
        if self._status is not None:
            return ""
        if self._lacks_node:
            return f"the VirtualNode of {self._lacks_node}"
        return ", ".join(self.source.awaited) or "the cluster's objects"

    async def run(self) -> None:
        ads = await AdsServer.start(
            publisher=self._publication.publisher,
            address=self._settings.ads_address,
            authenticate=always(PROXY),
            receive=self._records.records.receive if self._records is not None else None,
        )
        try:
            async with SupervisedTasks(log) as tasks:
                tasks.start("read the cluster", self.source.run)
                tasks.start("compile", self.compile)
                tasks.start("write events", self.events.run)
                tasks.start("lead", self.lead)
                if self._settings.webhook is not None:
                    tasks.start("webhook", self.webhook)
                if self._records is not None:
                    pages, port = self._records.pages(), self._settings.records_port
                    tasks.start("show records", partial(shown_records, pages, self._client, port, log))
                if self._cached is not None:
                    tasks.start("admin api", partial(self.admin_api, self._cached))
        finally:
            await ads.stop()

    async def compile(self) -> None:
        builder = GatewayBuilder(self._told.settings, self._options)
        async for snapshot in self.source:
            if builder.settings is not self._told.settings:
                builder = GatewayBuilder(self._told.settings, self._options)
            # In a thread, so that leases are renewed and webhooks answered meanwhile, however much there is to compile.
            begun = time.monotonic()
            try:
                built = await asyncio.to_thread(builder.build, snapshot)
            except NodeUnknownError as exc:
                self._lacks_node = str(exc)
                self.tally.compile_failures += 1
                hint = "create the VirtualNode, or delete the pod so that it is told of the one that selects it now"
                log.warning("mesh.node-unknown", node=exc, effect="the proxy gets no configuration", hint=hint)
                continue
            if builder.settings is not self._told.settings:
                # The snapshot comes again.
                continue
            self._publication.publish(built)
            self._compiled = built.compiled
            self._certificates.want(built.compiled)
            self._faults.tell(built.diagnostics.faults)
            diagnostics = built.diagnostics
            self._add_unreadable(diagnostics)
            self.tally.compiled(time.monotonic() - begun, snapshot, INPUT_KINDS, diagnostics)
            self._snapshot = snapshot
            self._status = StatusInput(
                snapshot, diagnostics, self._settings.compile.ingress_class, self._settings.publish_service
            )
            self._submit()

    def _compile_anew(self) -> None:
        """A proxy must not get even for a moment what its settings forbid."""
        self._publication.withdraw()
        self.source.repeat()

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
            config_map=f"{self._settings.lease.name}-{self._settings.compile.ingress_class}",
            stands_back=self._leaving.is_under_way,
        )
        await election.lead(self._work_as_leader)

    async def _work_as_leader(self) -> None:
        self.tally.is_leader = True
        try:
            async with SupervisedTasks(log) as tasks:
                tasks.start("write statuses", self._write_statuses)
                tasks.start("ask for certificates", self._certificates.run)
        finally:
            self.tally.is_leader = False

    async def webhook(self) -> None:
        if self._settings.webhook is not None:
            ingress_class = self._settings.compile.ingress_class
            await serve_webhook(
                self._client,
                self._settings.webhook,
                lambda: self._snapshot,
                ingress_class,
                self.tally.admission,
                self._note_certificate,
                self._leaving.is_under_way,
            )

    def _note_certificate(self, served: KeyPair) -> None:
        self._webhook_pair = served

    def _expiries(self) -> Iterator[Expiry]:
        yield from expiries_of(self._compiled)
        if self._settings.webhook is not None:
            yield from webhook_expiry(NamespacedName(*self._settings.webhook.service), self._webhook_pair)

    async def admin_api(self, access: CachedAccess) -> None:
        """The proxy is in the same pod, so its admin interface is on the same loopback."""
        # Most gateways have none, and need not wait for the import of its pages.
        from crossfade.admin_api.cached import CachedAnswers
        from crossfade.admin_api.envoy_admin import EnvoyAdmin
        from crossfade.admin_api.server import admin_server
        from crossfade.admin_api.state import AdminState

        state = AdminState(lambda: self._compiled, lambda: self._publication.publisher.is_taken(PROXY))
        token, proxy = self._settings.compile.token, EnvoyAdmin(GATEWAY_ADMIN_PORT)
        listens, certificate = self._settings.admin_listen, self._settings.admin_certificate
        async with admin_server(
            state,
            listens=listens,
            server_token=token,
            proxy=proxy,
            cached=CachedAnswers(access),
            certificate=certificate,
        ):
            await asyncio.Event().wait()

    async def _write_statuses(self) -> None:
        self._writer = StatusWriter(self._client, self.events, tally=self.tally.statuses)
        try:
            self._submit()
            await self._writer.run()
        finally:
            self._writer = None

    def _submit(self) -> None:
        if self._writer is not None and self._status is not None:
            self._writer.submit(self._decider.decide(self._status, now=datetime.now(UTC)))
