"""The controller in role `mesh`: App Mesh objects → sidecar configuration, status, admission and injection."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from msgspec import structs

from crossfade import __version__
from crossfade.admission.server import admission_server
from crossfade.api.appmesh import (
    BackendGroup,
    GatewayRoute,
    Mesh,
    VirtualGateway,
    VirtualNode,
    VirtualRouter,
    VirtualService,
)
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import (
    ACM_SELECTOR,
    ArnScope,
    ClusterView,
    InstancesByName,
    needs_pods,
    uses_acm,
)
from crossfade.compile.mesh.cloud_map import CloudMapName
from crossfade.compile.mesh.endpoints import NO_INSTANCES, cloud_map_names
from crossfade.compile.mesh.names import mesh_of
from crossfade.controller.expiry import webhook_expiry
from crossfade.controller.health import health_server
from crossfade.controller.leaving import Leaving
from crossfade.controller.mesh.all_identities import AllIdentities
from crossfade.controller.mesh.authority_bundles import AuthorityBundles
from crossfade.controller.mesh.aws_cloud_map import AwsCloudMap
from crossfade.controller.mesh.aws_registry import AwsDiscovery, AwsRegistry
from crossfade.controller.mesh.certificates import CONFIGURATIONS, Certificates
from crossfade.controller.mesh.cloud_map_names import CloudMapNames
from crossfade.controller.mesh.cloud_map_objects import cloud_map_objects
from crossfade.controller.mesh.fault_leases import FaultNews
from crossfade.controller.mesh.identities import IdentityNews
from crossfade.controller.mesh.identity import Refusals, sidecar_authentication
from crossfade.controller.mesh.loop import MeshLoop
from crossfade.controller.mesh.missing_proxies import MissingProxies
from crossfade.controller.mesh.mounted_certificates import FOLDER, MountedCertificates, is_mounted
from crossfade.controller.mesh.objects import MeshObjects
from crossfade.controller.mesh.permissions import may_read
from crossfade.controller.mesh.proxy_pods import ProxyPods
from crossfade.controller.mesh.server_version import has_native_sidecars
from crossfade.controller.mesh.sessions import PATH as SESSIONS_PATH
from crossfade.controller.mesh.sessions import OtherControllers, page
from crossfade.controller.mesh.settings import MeshSettings
from crossfade.controller.mesh.shared_port import LOOPBACK, shared_port
from crossfade.controller.mesh.webhooks import mesh_handlers
from crossfade.controller.metrics import metrics_server
from crossfade.controller.ports import PortUse, check_ports
from crossfade.controller.records import shown_records
from crossfade.controller.registrations import Registrations
from crossfade.controller.sources import ClusterSource
from crossfade.controller.tally import ControllerTally, Expiry
from crossfade.inject.settings import NativeSidecars, SidecarSettings
from crossfade.install.mesh_names import (
    LEASE,
    NAME,
)
from crossfade.observe.mesh import MeshRecords
from crossfade.status.appmesh import decide_changes
from crossfade.status.certificates import with_ages
from crossfade.status.change import News, ObjectChange
from crossfade.status.fault_log import FaultLog
from crossfade.status.writer import StatusWriter
from crossfade.store.snapshot import Snapshot
from crossfade.xds.auth import tls_credentials
from crossfade.xds.inquiry import Finding
from crossfade.xds.server import AdsServer
from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.core import EndpointSlice, Namespace, Pod, Secret, Service
from crossfade_kube.errors import KubeError, NotFound
from crossfade_kube.events import EventRecorder
from crossfade_kube.kubeconfig import in_cluster_config, load_kubeconfig
from crossfade_kube.lease import LeaderElection
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import TypedObject, typed_ref
from crossfade_kube.tasks import SupervisedTasks

KINDS: Final[tuple[type[TypedObject], ...]] = (
    Namespace,
    Mesh,
    VirtualNode,
    VirtualService,
    VirtualRouter,
    VirtualGateway,
    GatewayRoute,
    BackendGroup,
)
_ENDPOINT_KINDS: Final[tuple[type[TypedObject], ...]] = (Service, EndpointSlice)
# An author sees an object's ARN this much later at least, and a burst of changes goes out at once.
_QUIET_S: Final = 0.01
_MAX_UNREST_S: Final = 0.25
_CERTIFICATE_CHECK_S: Final = 60.0
_MOUNTED_CHECK_S: Final = 5.0
_AGES_CHECK_S: Final = 3600.0
# They are applied after the controller's Deployment: soon at first, then seldom.
_NOT_INSTALLED_CHECK_S: Final = (0.2, 15.0)

log = EventLog("crossfade.mesh")


async def run_mesh_role(settings: MeshSettings) -> None:
    """Until cancelled; raises ConfigError when the cluster's configuration cannot be used."""
    for remark in settings.remarks:
        log.warning("settings.without-effect", setting=remark.flag, reason=remark.text)
    if settings.unknown_flags:
        log.warning("settings.unknown", flags=", ".join(settings.unknown_flags), effect="they are ignored")
    config = load_kubeconfig(settings.kubeconfig) if settings.kubeconfig else in_cluster_config(settings.cluster)
    check_ports(_ports(settings))
    async with Client(config, user_agent=f"crossfade-mesh/{__version__}") as client:
        role: _MeshRole | None = None

        def waits_for() -> str:
            return role.waits_for() if role is not None else "the Kubernetes API"

        pages = {SESSIONS_PATH: lambda: page(role.connected()) if role is not None else ""}
        leaving = Leaving()
        health = health_server(
            host=settings.host, port=settings.health_port, waits_for=waits_for, pages=pages, leaving=leaving
        )
        async with health:
            endpoints = await may_read(client, _ENDPOINT_KINDS, log, otherwise="endpoints come from DNS")
            pods = await may_read(
                client, (Pod,), log, otherwise="no pod is registered for Cloud Map, and none is spoken to in HTTP/2"
            )
            secrets = await may_read(client, (Secret,), log, otherwise="", is_optional=True)
            view = ClusterView(settings.cluster_domain, endpoints, pods, secrets, settings.uses_backend_groups)
            role = _MeshRole(settings, client, view, leaving)
            async with metrics_server(role.tally, host=settings.host, port=settings.metrics_port):
                await role.run()


def _ports(settings: MeshSettings) -> Iterator[PortUse]:
    yield PortUse(settings.host, settings.health_port, "health checks")
    yield PortUse(settings.host, settings.webhook_port, "webhooks")
    yield PortUse(settings.host, settings.ads_port, "the configuration of sidecars")


class _MeshRole:
    """The parts, wired together."""

    def __init__(self, settings: MeshSettings, client: Client, cluster: ClusterView, leaving: Leaving) -> None:
        self._settings = settings
        self._leaving = leaving
        self._client = client
        self._mounted = MountedCertificates(FOLDER, tls=settings.webhook_tls) if is_mounted() else None
        self._certificates = self._mounted or Certificates(
            client, namespace=settings.namespace, domain=settings.cluster_domain, tls=settings.webhook_tls
        )
        self._registrations = Registrations(client, CONFIGURATIONS, log=log)
        self._events = EventRecorder(client, NAME, instance=settings.identity)
        kinds = (*KINDS, *_ENDPOINT_KINDS) if cluster.shows_endpoints else KINDS
        self._source = ClusterSource(
            client,
            kinds,
            log=log,
            selectors={Secret: ACM_SELECTOR},
            on_demand={
                **({Pod: needs_pods} if cluster.shows_pods else {}),
                **({Secret: uses_acm} if cluster.shows_secrets else {}),
            },
            quiet_s=_QUIET_S,
            max_unrest_s=_MAX_UNREST_S,
        )
        self._identities = AllIdentities(
            client,
            settings.namespace,
            lifetime=timedelta(seconds=settings.identity_lifetime_s),
            log=log,
            on_change=lambda: self._loop.publish_identities(),
            tell=self._tell_meshes,
        )
        self._names: CloudMapNames | None = None
        aws = _aws_cloud_map(settings)
        self._aws = aws
        self._registry: AwsRegistry | None = None
        self._discovery = AwsDiscovery(aws, log=log, on_change=lambda it: self._loop.learn(it)) if aws else None
        self._named: InstancesByName | None = None
        self._writer: StatusWriter | None = None
        self._shows_pods = cluster.shows_pods
        self._missing_proxies: MissingProxies | None = None
        self._refusals = Refusals()
        self._status_faults = FaultLog(log)
        self._loop = MeshLoop(
            self._source,
            scope=ArnScope(settings.region, settings.account_id),
            log=log,
            cluster=cluster,
            on_compiled=self._submit,
            on_endpoints=self._submit_names,
            on_found=self._report,
            identities=self._identities,
            sends_records=bool(settings.records_port),
            on_faults=self._tell_faults,
            on_timed=self._note_compiled,
        )
        self._records: MeshRecords | None = None
        if settings.records_port:
            self._records = MeshRecords(self._loop.publisher, lambda: self._loop.model)
        self.tally = ControllerTally(
            "mesh",
            "sidecar",
            publisher=self._loop.publisher,
            watches=lambda: self._source.watches,
            expiries=self._expiries,
            missing=lambda: self._missing_proxies.count if self._missing_proxies is not None else 0,
        )
        self._kinds = kinds
        self._has_native_sidecars = False
        self._missing = {"certificates", "webhook configurations", "webhook server", "ADS server"}

    def _note_compiled(self, took_s: float) -> None:
        found = self._loop.model.diagnostics if self._loop.model is not None else ()
        self.tally.compiled(took_s, self._loop.snapshot, self._kinds, found)

    def _expiries(self) -> Iterator[Expiry]:
        for one in self._loop.model.certificates if self._loop.model is not None else ():
            yield Expiry(one.owner.namespace, one.owner.name, "mesh", one.ends_at)
        yield from webhook_expiry(self._certificates.secret, self._certificates.served)

    def connected(self) -> dict[str, list[str]]:
        """Proxies' keys to the nodes whose streams are open here."""
        return self._loop.publisher.connected()

    def waits_for(self) -> str:
        """Nothing: ready."""
        missing = set(self._missing)
        if self._loop.model is None:
            missing.add(", ".join(self._source.awaited) or "App Mesh objects")
        return ", ".join(sorted(missing))

    async def run(self) -> None:
        async with SupervisedTasks(log) as tasks:
            tasks.start("watch", self._source.run)
            tasks.start("compile", self._loop.run)
            tasks.start("compile what was refused", self._loop.run_refusals)
            tasks.start("faults", self._loop.run_faults)
            tasks.start("events", self._events.run)
            tasks.start("identities", self._identities.own.run)
            tasks.start("identities of issuers", self._identities.requested.run)
            if self._discovery is not None:
                tasks.start("discover instances at AWS", self._discovery.run)
            tasks.start("status", self._lead)
            tasks.start("serve", self._serve)
            if self._records is not None:
                tasks.start("keep rates of records", self._records.keep_rates)
                pages, port = self._records.pages(), self._settings.records_port
                tasks.start("show records", partial(shown_records, pages, self._client, port, log))

    async def _lead(self) -> None:
        """Only one controller writes; all of them serve."""
        settings = self._settings
        if not settings.elects_leader:
            await self._write_statuses()
            return
        election = LeaderElection(
            self._client,
            namespace=settings.namespace,
            name=LEASE,
            identity=settings.identity,
            stands_back=self._leaving.is_under_way,
        )
        await election.lead(self._write_statuses)

    async def _write_statuses(self) -> None:
        """A writer for each term: what an earlier one left unwritten was decided on what is no longer so."""
        self._writer = StatusWriter(self._client, self._events, tally=self.tally.statuses)
        self.tally.is_leader = True
        self._names = CloudMapNames(self._client, namespace=self._settings.namespace, manager=NAME, log=log)
        if self._aws is not None:
            self._registry = AwsRegistry(self._aws, log=log, on_problem=self._report_cloud_map)
        self._named = None
        try:
            self._submit()
            self._submit_names()
            async with SupervisedTasks(log) as tasks:
                tasks.start("write statuses", self._writer.run)
                tasks.start("tell what ends", self._submit_from_time_to_time)
                tasks.start("write names of Cloud Map", self._names.run)
                if self._registry is not None:
                    tasks.start("register at AWS", self._registry.run)
                if self._shows_pods:
                    pods = ProxyPods(self._client)
                    self._missing_proxies = self._new_missing_proxies(pods)
                    tasks.start("reflect pods with proxies", pods.run)
                    tasks.start("miss proxies", self._missing_proxies.run)
        finally:
            self._writer = self._names = self._registry = self._missing_proxies = None
            self.tally.is_leader = False

    def _new_missing_proxies(self, pods: ProxyPods) -> MissingProxies:
        own = self._settings
        others = OtherControllers(
            self._client, namespace=own.namespace, pod=own.identity, port=own.health_port, log=log
        )
        return MissingProxies(
            pods,
            others,
            self._loop.publisher,
            patience_s=own.stranded_after_s,
            authority_pem=lambda: self._certificates.authority_pem,
            refusals=self._refusals,
            log=log,
            on_change=self._submit,
        )

    def _submit_names(self) -> None:
        model = self._loop.model
        if model is not None and self._discovery is not None:
            self._discovery.ask(cloud_map_names(model.sources), model.registrations)
        if model is None or self._names is None or model.instances is self._named:
            return
        self._named = model.instances
        if self._registry is not None:
            self._registry.submit(model.instances, model.registrations)
        # The names are Route 53's where instances are at AWS.
        instances = model.instances if self._registry is None else NO_INSTANCES
        own = self._settings
        wanted = cloud_map_objects(instances, namespace=own.namespace, manager=NAME, ttl_s=own.dns_ttl_s)
        self._names.submit(wanted, self._loop.snapshot)

    async def _submit_from_time_to_time(self) -> None:
        """Certificates end while nothing else happens."""
        while True:
            await asyncio.sleep(_AGES_CHECK_S)
            self._submit()

    def _report_cloud_map(self, name: CloudMapName, problem: str) -> None:
        registrations = self._loop.model.registrations if self._loop.model is not None else ()
        resource = VirtualNode.RESOURCE
        for one in registrations:
            if one.name == name:
                ref = ObjectRef(resource.api_version, resource.kind, one.node.namespace, one.node.name)
                self._events.warning(ref, "ReconcileError", f"{problem}; its pods are not registered at AWS")

    def _submit(self) -> None:
        if self._writer is not None and self._loop.model is not None:
            loop, model, diagnostics = self._loop, self._loop.model, Diagnostics()
            now = datetime.now(UTC)
            states = with_ages(model.states, model.certificates, now)
            changes = decide_changes(loop.snapshot, states, now=now, diagnostics=diagnostics)
            self._status_faults.tell(diagnostics.faults)
            missing = self._missing_proxies.changes if self._missing_proxies is not None else ()
            self._writer.submit([*changes, *_unreadable(self._source.diagnostics()), *missing])

    async def _serve(self) -> None:
        settings = self._settings
        await self._certificates.refresh()
        self._missing.discard("certificates")
        self._has_native_sidecars = await has_native_sidecars(self._client)
        handlers = mesh_handlers(
            MeshObjects(self._client, lambda: self._loop.snapshot),
            ip_family=settings.ip_family,
            sidecar=self._sidecar,
        )
        tls = self._certificates.webhook_tls
        # Behind a chart's own Service there is one port for both.
        host, port = (LOOPBACK, 0) if self._mounted else (settings.host, settings.webhook_port)
        tally = self.tally.admission
        async with admission_server(
            handlers, host=host, port=port, tls=tls, tally=tally, is_leaving=self._leaving.is_under_way
        ) as webhooks:
            self._missing.discard("webhook server")
            ads = await AdsServer.start(
                publisher=self._loop.publisher,
                address=f"{settings.host}:{settings.ads_port}",
                authenticate=sidecar_authentication(self._client, lambda: self._loop.model, self._refusals),
                credentials=tls_credentials(self._certificates.server_pair),
                receive=self._records.records.receive if self._records is not None else None,
                serves_secrets=True,
                load_reports=self._loop.load_reports,
            )
            self._missing.discard("ADS server")
            try:
                bundles = AuthorityBundles(self._client, manager=NAME, log=log)
                async with SupervisedTasks(log) as tasks:
                    if self._mounted is None:
                        tasks.start("watch webhooks", self._registrations.run)
                    else:
                        tasks.start("share the port", lambda: self._share_port(webhooks, ads.port))
                    tasks.start("keep certificates", self._keep_certificates)
                    tasks.start("tell the authority", lambda: bundles.run(self._authority_for))
            finally:
                await ads.stop()

    async def _share_port(self, webhooks: int, ads: int) -> None:
        settings = self._settings
        async with shared_port(host=settings.host, port=settings.webhook_port, webhooks=webhooks, ads=ads):
            await asyncio.Event().wait()

    async def _keep_certificates(self) -> None:
        missing = Backoff(*_NOT_INSTALLED_CHECK_S)
        while True:
            delay_s = _CERTIFICATE_CHECK_S if self._mounted is None else _MOUNTED_CHECK_S
            try:
                await self._certificates.refresh()
                await self._certificates.announce()
                self._missing.discard("webhook configurations")
                missing.reset()
            except NotFound:
                delay_s = missing.next_s()
            except KubeError as exc:
                log.warning("certificates.not_checked", reason=exc)
            await self._registrations.changed(within_s=delay_s)

    def _authority_for(self) -> tuple[str, Snapshot] | None:
        """Nobody, as long as it is not known where sidecars are."""
        return None if self._loop.model is None else (self._certificates.authority_pem, self._loop.snapshot)

    def _sidecar(self) -> SidecarSettings:
        sidecar = self._settings.sidecar
        return structs.replace(
            sidecar,
            ads_address=self._mounted.ads_address if self._mounted else sidecar.ads_address,
            ads_ca_pem=self._certificates.authority_pem,
            has_native_sidecars=self._has_native_sidecars or sidecar.native is NativeSidecars.ALWAYS,
        )

    def _report(self, finding: Finding) -> None:
        """The author should know; a condition says it as well, if the object is to blame."""
        owner = self._loop.model.owners.get(finding.proxy) if self._loop.model else None
        told = tuple(culprit.ref for culprit in finding.culprits) or ((owner,) if owner is not None else ())
        who = f"pod {finding.node}" if finding.node else "the encoding"
        message = f"{who} refused {finding.name}, its last working version stays: {finding.reason}"
        for ref in told:
            self._events.warning(ref, "ConfigurationRefused", message)

    def _tell_meshes(self, news: IdentityNews) -> None:
        model = self._loop.model
        proxies = model.proxies.items() if model is not None else ()
        concerned = {mesh_of(path) for path, one in proxies if one.identity and one.identity.issuer == news.issuer}
        tell = self._events.warning if news.is_problem else self._events.normal
        for mesh in self._loop.snapshot.all(Mesh):
            if mesh.aws_name in concerned:
                tell(typed_ref(mesh), news.reason, news.message)

    def _tell_faults(self, news: Sequence[FaultNews]) -> None:
        for one in news:
            if (origin := one.fault.origin) is not None:
                tell = self._events.warning if one.is_problem else self._events.normal
                tell(origin.ref, one.reason, f"{origin.path}: {one.message}")


def _aws_cloud_map(settings: MeshSettings) -> AwsCloudMap | None:
    if not settings.uses_aws_cloud_map:
        return None
    return AwsCloudMap(settings.region, uses_fips=settings.uses_fips, dns_ttl_s=settings.dns_ttl_s)


def _unreadable(diagnostics: Diagnostics) -> list[ObjectChange]:
    """Objects that no struct can hold have no condition to say so; an Event does."""
    return [
        ObjectChange(
            diagnostic.ref,
            Mesh.RESOURCE,
            "",
            news=(News("ReconcileError", f"{diagnostic.placed_message}; {diagnostic.effect}"),),
        )
        for diagnostic in diagnostics
    ]
