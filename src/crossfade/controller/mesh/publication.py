"""What the mesh's proxies are given, and which objects they or their encoding refuse."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from crossfade.api.appmesh import Mesh
from crossfade.certs.identities import IssuedIdentity
from crossfade.compile.diagnostics import Fault
from crossfade.compile.mesh import MeshModel
from crossfade.compile.mesh.names import mesh_of
from crossfade.compile.model import Identity, ProxyModel
from crossfade.controller.mesh.fault_leases import FaultLeases
from crossfade.controller.mesh.zone_views import ZoneViews
from crossfade.envoy.common_parts import CommonParts
from crossfade.envoy.encoding import Unencodable, unencodable
from crossfade.envoy.mesh_tls import issued_secrets
from crossfade.envoy.resource_set import Resource, ResourceSet, ResourceType, encoded_all
from crossfade.envoy.resources import Encoded, resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.shared_endpoints import SharedEndpoints
from crossfade.envoy.telemetry.counted import CountedViews
from crossfade.xds.inquiry import Finding, Inquiry, unencodable_finding
from crossfade.xds.publisher import Publisher, Rejection, Subscription
from crossfade.xds.session import Verdict
from crossfade_kube.meta import ObjectRef


class IdentitySource(Protocol):
    """Where identities of proxies come from."""

    def of(self, identity: Identity) -> IssuedIdentity | None:
        """The very same one until it changes; None: not yet."""

    def keep_only(self, wanted: Iterable[Identity]) -> None:
        """Nobody asks for others any more."""


class _Built(NamedTuple):
    """`shared` are the clusters whose endpoints are not the proxy's own, `zoned` those that prefer its own zone.

    `issued` is part of the resources.
    """

    model: ProxyModel
    memory: Encoded
    resources: ResourceSet
    shared: frozenset[str]
    zoned: frozenset[str]
    unencodable: tuple[Unencodable, ...]
    issued: IssuedIdentity | None = None


class MeshPublication:
    """Belongs to one event loop; `publisher` is for the ADS server. `on_found` gets what is to be blamed for what.

    A proxy that needs an identity keeps what it has until there is one: what it is to have would not work without.
    """

    def __init__(
        self,
        *,
        on_found: Callable[[Finding], None],
        identities: IdentitySource | None = None,
        sends_records: bool = False,
    ) -> None:
        self._identities = identities
        self.publisher = Publisher(on_rejected=self._open, on_trial=self._record, view=self._seen_by)
        self._options = EnvoyOptions(sends_records=sends_records)
        self._inquiry = Inquiry(self.publisher, self._options, on_found=on_found)
        self._on_found = on_found
        self._built: dict[str, _Built] = {}
        self._endpoints: dict[str, SharedEndpoints] = {}
        self.leases = FaultLeases()
        self._views = ZoneViews()
        self._counted = CountedViews()

    def publish(self, model: MeshModel, now_s: float) -> list[Fault]:
        """An owner without proxy keeps what it has. Gives what encoding failed on, for the log.

        `now_s` (seconds since 1970) is when; later `renew` is due.
        """
        changed = {mesh: self._shared(mesh).update(found) for mesh, found in model.endpoints.items()}
        faults = [
            Fault(_nobody(mesh), one.name, one.exception) for mesh in changed for one in self._shared(mesh).failed
        ]
        if moved := self._views.learn(model.zones):
            self.publisher.look_again(moved)
        common = CommonParts()
        for path, proxy in model.proxies.items():
            known, mesh = self._built.get(path), mesh_of(path)
            issued = self._issued(path, proxy.identity)
            if proxy.identity is not None and issued is None:
                continue
            if known is None or known.model is not proxy or known.issued is not issued or changed.get(mesh):
                known = self._renewed(path, proxy, changed.get(mesh, {}), common, issued)
                self._built[path] = known
                self.leases.hold(path, proxy)
                self.publisher.publish(path, self.leases.added_to(path, known.resources, now_s))
            faults += [Fault(model.owners[path], one.name, one.exception) for one in known.unencodable]
        for gone in self._endpoints.keys() - model.endpoints.keys():
            del self._endpoints[gone]
        for gone in self._built.keys() - model.owners.keys():
            del self._built[gone]
            self._views.drop(gone)
            self._counted.drop(gone)
            self._inquiry.drop(gone)
            self.leases.drop(gone)
            self.publisher.withdraw(gone)
        if self._identities is not None:
            self._identities.keep_only(one.identity for one in model.proxies.values() if one.identity is not None)
        return faults

    def _issued(self, path: str, identity: Identity | None) -> IssuedIdentity | None:
        """What the proxy was given before where there is nothing else for that identity."""
        if self._identities is None or identity is None:
            return None
        known = self._built.get(path)
        last = known.issued if known is not None and known.model.identity == identity else None
        return self._identities.of(identity) or last

    def _seen_by(self, stream: Subscription, resources: ResourceSet) -> ResourceSet:
        path = stream.proxy
        built = self._built.get(path)
        if built is None:
            return resources
        resources = self._counted.of(path, built.model, resources, stream.features)
        if not built.zoned:
            return resources
        return self._views.of(path, stream.node, resources, built.zoned, self._shared(mesh_of(path)))

    def renew(self, now_s: float) -> None:
        """Faults that last are lent anew, those that have ended withdrawn."""
        for path in self.leases.proxies():
            self.publisher.publish(path, self.leases.added_to(path, self._built[path].resources, now_s))

    def blame(self) -> None:
        """Reports what encoding failed on; apart from `publish`, since that may lead to another compilation."""
        for path, built in self._built.items():
            for one in built.unencodable:
                self._on_found(unencodable_finding(path, one))

    def _shared(self, mesh: str) -> SharedEndpoints:
        return self._endpoints.setdefault(mesh, SharedEndpoints())

    def _renewed(
        self,
        path: str,
        proxy: ProxyModel,
        changed: Mapping[str, Resource],
        common: CommonParts,
        issued: IssuedIdentity | None,
    ) -> _Built:
        built = self._current(path, proxy, changed) or self._encoded(path, proxy, common)
        return _with_identity(built, issued)

    def _current(self, path: str, proxy: ProxyModel, changed: Mapping[str, Resource]) -> _Built | None:
        """What the proxy has, with the endpoints that are `changed`; None where its model is another."""
        known = self._built.get(path)
        # Building messages costs more than comparing models, and most changes concern few proxies.
        if known is None or (known.model is not proxy and known.model != proxy):
            return None
        own = {name: resource for name, resource in changed.items() if name in known.shared}
        resources = known.resources.replacing(ResourceType.ENDPOINTS, own) if own else known.resources
        return known._replace(model=proxy, resources=resources)

    def _encoded(self, path: str, proxy: ProxyModel, common: CommonParts) -> _Built:
        known = self._built.get(path)
        memory = Encoded() if known is None else known.memory
        shared = frozenset(cluster.endpoints_name for cluster in proxy.clusters if cluster.shares_endpoints)
        endpoints = self._shared(mesh_of(path)).of(shared)
        resources = resources_from_model(proxy, options=self._options, before=memory, common=common, others=endpoints)
        zoned = frozenset(one.endpoints_name for one in proxy.clusters if one.prefers_own_zone)
        return _Built(proxy, memory, resources, shared, zoned, unencodable(proxy, memory.failed, self._options))

    def _open(self, rejection: Rejection) -> None:
        built = self._built.get(rejection.proxy)
        if built is not None:
            self._inquiry.open(rejection, built.model)

    def _record(self, proxy: str, verdict: Verdict) -> None:
        self._inquiry.record(proxy, verdict)


def _with_identity(built: _Built, issued: IssuedIdentity | None) -> _Built:
    if issued is None or issued is built.issued:
        return built
    texts = issued.certificate_pem, issued.key_pem, issued.authorities_pem
    secrets = encoded_all(issued_secrets(*texts).items())
    return built._replace(resources=built.resources.with_all(ResourceType.SECRET, secrets), issued=issued)


def _nobody(mesh: str) -> ObjectRef:
    return ObjectRef(Mesh.RESOURCE.api_version, Mesh.RESOURCE.kind, "", mesh)
