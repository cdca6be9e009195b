"""Backends → Kong services: one for each Service and port, with its KongIngress first and its annotations over that."""

from typing import Final, NamedTuple, TypeVar

from msgspec.structs import replace

from crossfade.api.bounds import Bounds, Misfit, header_value, host_name, is_ip_address
from crossfade.api.kong.ingress import KongIngress, KongIngressProxy
from crossfade.api.kong.service_facade import KongServiceFacade
from crossfade.api.kong.upstream_policy import KongUpstreamPolicy
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.annotation_table import SERVICE_WITHOUT_EFFECT
from crossfade.compile.gateway.classes import ClassFilter
from crossfade.compile.gateway.healthchecks import ProbeTarget
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.state import KongBackend, KongService, PluginRef, Transport, port_text
from crossfade.compile.gateway.targets import Targets, Upstream, slices_by_service, targets_of, why_empty
from crossfade.compile.gateway.upstream_sources import sources_of
from crossfade.compile.gateway.upstream_tls import TLS_PROTOCOLS, OwnTls, TlsReferences, tls_plan, tls_references
from crossfade.compile.gateway.upstreams import UpstreamPlan, upstream_plan
from crossfade.compile.isolate import isolated
from crossfade.compile.memo import Memo
from crossfade.compile.model import ClientTls, Cluster, Discovery, IpFamily, Protocol
from crossfade.compile.routing.origin import Origin
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.endpoint_slice import EndpointSlice
from crossfade_kube.core.ingress import IngressServiceBackend, ServiceBackendPort
from crossfade_kube.core.service import Service
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import TypedObject, typed_ref

T = TypeVar("T", bound=TypedObject)
_PROTOCOLS: Final = {
    "http": Protocol.HTTP1,
    "https": Protocol.HTTP1,
    "ws": Protocol.HTTP1,
    "wss": Protocol.HTTP1,
    "grpc": Protocol.GRPC,
    "grpcs": Protocol.GRPC,
}
_SPOKEN: Final = {"http": tuple(_PROTOCOLS), "tcp": ("tcp", "tls"), "udp": ("udp",)}
_UNSERVED: Final = {
    "http": "requests to {} are answered 503",
    "tcp": "connections to {} are closed",
    "udp": "datagrams to {} are dropped",
}
# How long Kong keeps an upstream connection that nobody uses.
_KEEPALIVE_S: Final = 60.0
# Kong's own bounds; 0 retries is one try.
RETRIES: Final = Bounds(0, 32767)
TIMEOUT: Final = Bounds(1, 2147483646, "ms")
_AS_USUAL: Final = UpstreamPlan()
_KNOWN_PROTOCOLS: Final = ("http", "https", "grpc", "grpcs", "tcp", "tls", "udp", "ws", "wss")


class ServiceResolver:
    """Resolves backends of one snapshot, each Service and port once.

    `is_service_upstream` sends to Services by name also where their annotation does not say so.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        classes: ClassFilter,
        memo: Memo,
        diagnostics: Diagnostics,
        *,
        is_service_upstream: bool = False,
        own_tls: OwnTls = OwnTls(),  # noqa: B008 - immutable
    ) -> None:
        self._snapshot = snapshot
        self._classes = classes
        self._memo = memo
        self._diagnostics = diagnostics
        self._is_service_upstream = is_service_upstream
        self._own_tls = own_tls
        self._slices = slices_by_service(snapshot)
        self._resolved: dict[str, KongService] = {}

    @property
    def services(self) -> dict[str, KongService]:
        """Everything resolved so far, by name."""
        return self._resolved

    def resolve(self, backend: KongBackend) -> KongService:
        """Diagnostics about a missing Service point to the place that names it."""
        name = backend.name
        facade = self._facade(backend)
        if facade is not None:
            backend = _behind(facade, backend)
        service = self._snapshot.get(Service, backend.namespace, backend.service.name)
        if service is None and (facade is not None or not backend.facade):
            self._tell_missing(backend)
        if name not in self._resolved:
            made = self._missing(backend, name) if service is None else self._found(service, backend, facade)
            self._resolved[name] = made
        found = self._resolved[name]
        if found.missing_port is not None:
            self._tell_missing_port(backend, found.missing_port)
        return found

    def _facade(self, backend: KongBackend) -> KongServiceFacade | None:
        """One of another class does not exist (kong.md §1.0)."""
        if not backend.facade:
            return None
        found = self._snapshot.get(KongServiceFacade, backend.namespace, backend.facade)
        if found is not None and self._classes.takes(found.metadata):
            return found
        reason = "not found" if found is None else f"it is not of the ingress class {self._classes.name}"
        self._diagnostics.error(
            backend.origin.ref,
            "backend.facade-not-found",
            f"couldn't get KongServiceFacade {backend.facade}: {reason}",
            effect="requests to this backend are answered 503",
            hint=f"create the KongServiceFacade {backend.namespace}/{backend.facade}, with the class as its annotation",
            field=backend.origin.path,
        )
        return None

    def _found(self, service: Service, backend: KongBackend, facade: KongServiceFacade | None) -> KongService:
        name = backend.name
        slices = self._slices.get(service.metadata.key, ())
        override = self._referred(service, notes.OVERRIDE, KongIngress)
        policy = self._referred(service, notes.UPSTREAM_POLICY, KongUpstreamPolicy)
        plugins = () if facade is None else _plugins_of(facade)
        references = tls_references(service, self._snapshot)

        def make(found: Diagnostics) -> KongService:
            if facade is not None:
                notes.Reader(typed_ref(facade), facade.metadata.annotations, found).tell_unknown()
            reading = _Reading(
                service,
                backend,
                slices,
                override,
                policy,
                references,
                found,
                self._is_service_upstream,
                self._own_tls,
            )
            return isolated(
                lambda: _kong_service(reading, name, plugins),
                otherwise=_closed(backend, name, "its Service cannot be used"),
                ref=typed_ref(service),
                effect=_unserved(backend, "this Service"),
                diagnostics=found,
            )

        setting = (self._is_service_upstream, *self._own_tls)
        inputs = (service, facade, override, policy, *references.objects, *setting, *slices)
        return self._memo.of(("service", name), inputs, make, self._diagnostics)

    def _tell_missing(self, backend: KongBackend) -> None:
        """To everybody who names it."""
        wanted = f"{backend.namespace}/{backend.service.name}"
        self._diagnostics.error(
            backend.origin.ref,
            "backend.service-not-found",
            f"failed to resolve Kubernetes Service for backend: Service {wanted} not found",
            effect=_unserved(backend),
            hint=f"create the Service {wanted} or correct the backend",
            field=backend.origin.path,
        )

    def _tell_missing_port(self, backend: KongBackend, problem: str) -> None:
        self._diagnostics.error(
            backend.origin.ref,
            "backend.port-not-found",
            problem,
            effect=_unserved(backend),
            hint="name a port that the Service has",
            field=f"{backend.origin.path}.{'servicePort' if backend.is_stream else 'port'}",
        )

    def _missing(self, backend: KongBackend, name: str) -> KongService:
        def make(_: Diagnostics) -> KongService:
            return KongService(name, entity_id("service", name), _cluster(backend, Targets(), backend.origin))

        return self._memo.of(("service", name), (backend,), make, self._diagnostics)

    def _referred(self, service: Service, annotation: str, kind: type[T]) -> T | None:
        name = notes.modernised(service.metadata.annotations)[0].get(annotation)
        return self._snapshot.get(kind, service.metadata.namespace, name) if name else None


class _Reading(NamedTuple):
    """One Service while it is read for one of its ports."""

    service: Service
    backend: KongBackend
    slices: tuple[EndpointSlice, ...]
    override: KongIngress | None
    policy: KongUpstreamPolicy | None
    references: TlsReferences
    diagnostics: Diagnostics
    is_service_upstream: bool
    own_tls: OwnTls


def _unserved(backend: KongBackend, what: str = "this backend") -> str:
    return _UNSERVED[backend.transport].format(what)


def _closed(backend: KongBackend, name: str, refusal: str) -> KongService:
    cluster = _cluster(backend, Targets(), backend.origin)
    return KongService(name, entity_id("service", name), cluster, refusal=refusal)


# Unlike 0, which stands for a port that is named.
_NO_PORT: Final = -1


def _behind(facade: KongServiceFacade, backend: KongBackend) -> KongBackend:
    ref = facade.spec.backend_ref
    return replace(backend, service=IngressServiceBackend(ref.name, ServiceBackendPort(ref.port or _NO_PORT)))


def _plugins_of(item: Service | KongServiceFacade) -> tuple[PluginRef, ...]:
    noted = notes.modernised(item.metadata.annotations)[0]
    return tuple(PluginRef(plugin, typed_ref(item)) for plugin in notes.list_of(noted, notes.PLUGINS))


def _kong_service(reading: _Reading, name: str, plugins: tuple[PluginRef, ...]) -> KongService:
    service, override, diagnostics = reading.service, reading.override, reading.diagnostics
    ref = typed_ref(service)
    reader = notes.Reader(ref, service.metadata.annotations, diagnostics)
    noted = reader.noted
    _tell_missing_references(ref, noted, reading)
    proxy = _bounded((override and override.proxy) or KongIngressProxy(), override, diagnostics)
    transport = reading.backend.transport
    protocol = _protocol(ref, noted, proxy, transport, diagnostics)
    upstream = Upstream(
        protocol,
        _host_header(ref, noted, override, diagnostics),
        reader.flag(notes.SERVICE_UPSTREAM) is True or reading.is_service_upstream,
        "UDP" if transport == "udp" else "TCP",
    )
    targets = targets_of(service, reading.backend.service.port, reading.slices, upstream, diagnostics)
    reader.tell_unsupported(SERVICE_WITHOUT_EFFECT)
    reader.tell_unknown()
    _tell_no_target(reading, targets)
    _tell_empty(reading, targets, upstream.layer)
    connect_timeout = _first(reader.integer("konghq.com/connect-timeout", TIMEOUT), proxy.connect_timeout, 60000)
    plan = _upstream_plan(reading, protocol, upstream.host_header)
    secured = tls_plan(reader, ref, reading.references, protocol, reading.own_tls, diagnostics)
    return KongService(
        name=name,
        id=entity_id("service", name),
        cluster=_cluster(
            reading.backend,
            targets,
            Origin(ref, "spec.ports"),
            protocol=protocol,
            connect_timeout=connect_timeout,
            plan=plan,
            tls=_stream_tls(secured.tls, upstream, targets) if reading.backend.is_stream else secured.tls,
        ),
        protocol=protocol,
        path=_base_path(reader, proxy),
        retries=_first(reader.integer("konghq.com/retries", RETRIES), proxy.retries, 5),
        read_timeout=_first(reader.integer("konghq.com/read-timeout", TIMEOUT), proxy.read_timeout, 60000),
        plugins=(*plugins, *_plugins_of(service)),
        refusal=_refusal(reading, protocol) or secured.refusal,
        server_name=_server_name(upstream.host_header) if secured.tls is not None else None,
        missing_port=targets.problem if targets.lacks_port else None,
        hashing=plan.hashing,
        sticky=plan.sticky,
        created=service.metadata.creation_timestamp,
    )


def _stream_tls(tls: ClientTls | None, upstream: Upstream, targets: Targets) -> ClientTls | None:
    """There is no Host to take the name from: it is the one that is set, else the one that is connected to."""
    if tls is None:
        return None
    known = targets.endpoints[0].address if targets.discovery is Discovery.STRICT_DNS and targets.endpoints else ""
    return replace(tls, server_name=_server_name(upstream.host_header or known))


def _upstream_plan(reading: _Reading, protocol: str, host: str | None) -> UpstreamPlan:
    sources = sources_of(reading.policy, reading.override, reading.diagnostics)
    spoken = _PROTOCOLS.get(protocol, Protocol.HTTP1)
    return upstream_plan(sources, ProbeTarget(spoken, protocol in TLS_PROTOCOLS, host, reading.own_tls.authorities))


def _bounded(proxy: KongIngressProxy, override: KongIngress | None, diagnostics: Diagnostics) -> KongIngressProxy:
    """Without the numbers that cannot be carried out."""
    if override is None:
        return proxy
    ref = typed_ref(override)
    for name, bounds in (("retries", RETRIES), ("connect_timeout", TIMEOUT), ("read_timeout", TIMEOUT)):
        given: int | None = getattr(proxy, name)
        number = None if given is None else bounds.check(given)
        if isinstance(number, Misfit):
            diagnostics.error(
                ref,
                "kongingress.out-of-bounds",
                f"proxy.{name}: {number}",
                effect="the field is ignored, as if it were not there",
                hint="give a whole number within the bounds",
                field=f"proxy.{name}",
            )
            proxy = replace(proxy, **{name: None})
    if proxy.write_timeout is not None:
        diagnostics.warning(
            ref,
            "kongingress.unsupported-proxy",
            "proxy.write_timeout is not supported",
            effect="the field has no effect: an upstream that does not read is given read_timeout",
            hint="remove the field",
            field="proxy.write_timeout",
        )
    return proxy


_REFERENCES: Final = (
    (
        notes.OVERRIDE,
        "KongIngress",
        "override",
        "failed to get KongIngress",
        "the Service is used without its overrides",
    ),
    (
        notes.UPSTREAM_POLICY,
        "KongUpstreamPolicy",
        "upstream-policy",
        "failed fetching KongUpstreamPolicy",
        "requests are balanced as without the policy",
    ),
)


def _tell_missing_references(ref: ObjectRef, noted: notes.Annotations, reading: _Reading) -> None:
    for (key, kind, code, problem, effect), found in zip(_REFERENCES, (reading.override, reading.policy), strict=True):
        name = noted.get(key)
        if name and found is None:
            reading.diagnostics.error(
                ref,
                f"service.{code}-not-found",
                f"{problem}: {ref.namespace}/{name} not found",
                effect=effect,
                hint=f"create {kind} {ref.namespace}/{name} or remove the annotation",
                field=f"metadata.annotations[{key}]",
            )


def _protocol(
    ref: ObjectRef,
    noted: notes.Annotations,
    proxy: KongIngressProxy,
    transport: Transport,
    diagnostics: Diagnostics,
) -> str:
    noted_protocol = noted.get("konghq.com/protocol")
    if noted_protocol is not None and noted_protocol not in _KNOWN_PROTOCOLS:
        diagnostics.error(
            ref,
            "service.invalid-protocol",
            f"konghq.com/protocol annotation has invalid value: {noted_protocol}",
            effect=f"protocol {proxy.protocol or transport} is used",
            hint=f"use one of {', '.join(_SPOKEN[transport])}",
            field="metadata.annotations[konghq.com/protocol]",
        )
        noted_protocol = None
    return noted_protocol or proxy.protocol or transport


def _refusal(reading: _Reading, protocol: str) -> str | None:
    """What would be unsafe to leave out closes the Service."""
    backend = reading.backend
    usable = _SPOKEN[backend.transport]
    if protocol in usable:
        return None
    problem = f"upstream protocol {_shown(protocol)} is not supported by this gateway"
    if backend.is_stream:
        problem = f"upstream protocol {_shown(protocol)} cannot be spoken in streams of {backend.transport}"
    reading.diagnostics.error(
        typed_ref(reading.service),
        "service.refused",
        problem,
        effect=_unserved(backend, "this Service"),
        hint=f"use one of {', '.join(usable)}",
        field="metadata.annotations[konghq.com/protocol]",
    )
    return problem


def _server_name(host_header: str | None) -> str:
    """Empty where each endpoint is asked under its address, which TLS cannot ask for."""
    name = (host_header or "").rpartition("]")[2].partition(":")[0]
    return "" if is_ip_address(name) or isinstance(host_name(name), Misfit) else name


def _shown(protocol: str) -> str:
    """The text goes into response bodies, which Kong does not escape."""
    return protocol if protocol in _KNOWN_PROTOCOLS else "(unnamed)"


def _tell_no_target(reading: _Reading, targets: Targets) -> None:
    if targets.problem is not None and not targets.lacks_port:
        reading.diagnostics.error(
            typed_ref(reading.service),
            "service.no-port",
            targets.problem,
            effect=_unserved(reading.backend, "this Service"),
            hint="correct spec.externalName, or name a number as the port",
            field="spec.externalName",
        )


def _tell_empty(reading: _Reading, targets: Targets, layer: str) -> None:
    """Cured as soon as an endpoint is ready: then nothing is told any more."""
    if targets.problem is None and targets.discovery is Discovery.EDS and not targets.endpoints:
        port = reading.backend.service.port
        reading.diagnostics.warning(
            typed_ref(reading.service),
            "service.no-endpoints",
            f"port {port_text(reading.backend.service)}: {why_empty(reading.service, port, reading.slices, layer)}",
            effect=f"{_unserved(reading.backend, 'it')} until there is one",
            hint="look at the pods that spec.selector selects, and at the names of their ports",
            field="spec.selector",
        )


def _cluster_name(backend: KongBackend) -> str:
    """As Kong's upstream (kong.md §3.1)."""
    if backend.facade:
        return backend.name
    name = f"{backend.service.name}.{backend.namespace}.{port_text(backend.service)}.svc"
    return f"{name}.{backend.transport}" if backend.is_stream else name


def _cluster(
    backend: KongBackend,
    targets: Targets,
    origin: Origin,
    *,
    protocol: str = "http",
    connect_timeout: int = 60000,
    plan: UpstreamPlan = _AS_USUAL,
    tls: ClientTls | None = None,
) -> Cluster:
    return Cluster(
        name=_cluster_name(backend),
        discovery=targets.discovery,
        endpoints=targets.endpoints,
        origin=origin,
        protocol=Protocol.TCP if backend.is_stream else _PROTOCOLS.get(protocol, Protocol.HTTP1),
        connect_timeout_s=connect_timeout / 1000,
        # Kong asks for A records, and spreads requests over them.
        ip_family=IpFamily.V4_FIRST if targets.discovery is Discovery.STRICT_DNS else IpFamily.ANY,
        idle_timeout_s=_KEEPALIVE_S,
        tls=tls,
        balancing=plan.balancing,
        health_check=plan.health.check,
        outlier_detection=plan.health.outliers,
    )


def _host_header(
    ref: ObjectRef, noted: notes.Annotations, override: KongIngress | None, diagnostics: Diagnostics
) -> str | None:
    """The annotation's, else the KongIngress's; what cannot be a header's value is told and passed over."""
    candidates = [(noted.get("konghq.com/host-header"), ref, "metadata.annotations[konghq.com/host-header]")]
    if override is not None and override.upstream is not None:
        candidates.append((override.upstream.host_header, typed_ref(override), "upstream.host_header"))
    for text, owner, field in candidates:
        checked = header_value(text) if text else text
        if not isinstance(checked, Misfit):
            if checked:
                return checked
            continue
        diagnostics.error(
            owner,
            "service.invalid-host-header",
            str(checked),
            effect="the target's own name is sent as Host",
            hint="give a host name, with a port if need be",
            field=field,
        )
    return None


def _base_path(reader: notes.Reader, proxy: KongIngressProxy) -> str:
    """Values without a leading slash are ignored, as on Kong."""
    noted = reader.noted.get("konghq.com/path")
    if noted is not None and not noted.startswith("/"):
        reader.tell_invalid("konghq.com/path", "a path begins with a slash", f"write /{noted}")
    candidates = (noted, proxy.path)
    return next((path for path in candidates if path and path.startswith("/")), "/")


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
