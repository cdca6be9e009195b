"""Backends → Kong services: one for each Service and port, with its KongIngress first and its annotations over that."""

from typing import Final

from crossfade.api.kong.ingress import KongIngress, KongIngressProxy
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.gateway import annotations as notes
from crossfade.compile.gateway.ids import entity_id
from crossfade.compile.gateway.state import KongService, PluginRef
from crossfade.compile.gateway.targets import Targets, Upstream, slices_by_service, targets_of
from crossfade.compile.model import ClientTls, Cluster, Origin, Protocol
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core.ingress import IngressServiceBackend
from crossfade_kube.core.service import Service
from crossfade_kube.meta import ObjectRef
from crossfade_kube.registry import typed_ref

_PROTOCOLS: Final = {
    "http": Protocol.HTTP1,
    "https": Protocol.HTTP1,
    "grpc": Protocol.GRPC,
    "grpcs": Protocol.GRPC,
}
_TLS_PROTOCOLS: Final = frozenset({"https", "grpcs"})
# How long Kong keeps an upstream connection that nobody uses.
_KEEPALIVE_S: Final = 60.0
_TLS_VERIFY: Final = "konghq.com/tls-verify"
_KNOWN_PROTOCOLS: Final = ("http", "https", "grpc", "grpcs", "tcp", "tls", "ws", "wss")
_WITHOUT_EFFECT: Final = (
    "konghq.com/client-cert",
    "konghq.com/tls-verify-depth",
    "konghq.com/ca-certificates-secrets",
    "konghq.com/ca-certificates-configmaps",
    "konghq.com/upstream-policy",
)


class ServiceResolver:
    """Resolves backends of one snapshot, each Service and port once.

    `is_service_upstream` sends to Services by name also where their annotation does not say so.
    """

    def __init__(self, snapshot: Snapshot, diagnostics: Diagnostics, *, is_service_upstream: bool = False) -> None:
        self._snapshot = snapshot
        self._diagnostics = diagnostics
        self._is_service_upstream = is_service_upstream
        self._slices = slices_by_service(snapshot)
        self._resolved: dict[str, KongService] = {}

    @property
    def services(self) -> dict[str, KongService]:
        """Everything resolved so far, by name."""
        return self._resolved

    def resolve(self, namespace: str, backend: IngressServiceBackend, origin: Origin) -> KongService:
        """`origin` is the place in the Ingress that names the backend; diagnostics point there."""
        port = backend.port.name or str(backend.port.number)
        name = f"{namespace}.{backend.name}.{port}"
        if name not in self._resolved:
            service = self._snapshot.get(Service, namespace, backend.name)
            self._resolved[name] = (
                self._known(service, backend, name) if service else self._missing(namespace, backend, name, origin)
            )
        return self._resolved[name]

    def _missing(self, namespace: str, backend: IngressServiceBackend, name: str, origin: Origin) -> KongService:
        self._diagnostics.error(
            origin.ref,
            "backend.service-not-found",
            f"failed to resolve Kubernetes Service for backend: Service {namespace}/{backend.name} not found",
            effect="requests to this backend are answered 503",
            hint=f"create the Service {namespace}/{backend.name} or correct the backend",
            field=origin.path,
        )
        cluster = _cluster(namespace, backend, Targets(), origin)
        return KongService(name, entity_id("service", name), cluster)

    def _known(self, service: Service, backend: IngressServiceBackend, name: str) -> KongService:
        ref = typed_ref(service)
        noted, old = notes.modernised(service.metadata.annotations)
        override = self._override(service, noted)
        proxy = (override and override.proxy) or KongIngressProxy()
        protocol = self._protocol(ref, noted, proxy)
        upstream = Upstream(
            protocol,
            noted.get("konghq.com/host-header") or _host_header(override),
            self._is_service_upstream or notes.boolean(noted, notes.SERVICE_UPSTREAM) is True,
        )
        targets = targets_of(service, backend.port, self._slices, upstream)
        self._warn(ref, noted, old, override, targets)
        return KongService(
            name=name,
            id=entity_id("service", name),
            cluster=_cluster(
                service.metadata.namespace,
                backend,
                targets,
                Origin(ref, "spec.ports"),
                protocol=protocol,
                connect_timeout=_milliseconds(noted, "connect", proxy.connect_timeout),
            ),
            protocol=protocol,
            path=_base_path(noted, proxy),
            retries=_first(notes.integer(noted, "konghq.com/retries"), proxy.retries, 5),
            read_timeout=_milliseconds(noted, "read", proxy.read_timeout),
            plugins=tuple(PluginRef(plugin, ref) for plugin in notes.list_of(noted, notes.PLUGINS)),
            refusal=self._refusal(ref, noted, protocol),
        )

    def _override(self, service: Service, noted: notes.Annotations) -> KongIngress | None:
        name = noted.get(notes.OVERRIDE)
        if not name:
            return None
        override = self._snapshot.get(KongIngress, service.metadata.namespace, name)
        if override is None:
            self._diagnostics.error(
                typed_ref(service),
                "service.override-not-found",
                f"failed to get KongIngress: {service.metadata.namespace}/{name} not found",
                effect="the Service is used without its overrides",
                hint=f"create KongIngress {service.metadata.namespace}/{name} or remove the annotation",
                field=f"metadata.annotations[{notes.OVERRIDE}]",
            )
        return override

    def _protocol(self, ref: ObjectRef, noted: notes.Annotations, proxy: KongIngressProxy) -> str:
        noted_protocol = noted.get("konghq.com/protocol")
        if noted_protocol is not None and noted_protocol not in _KNOWN_PROTOCOLS:
            self._diagnostics.error(
                ref,
                "service.invalid-protocol",
                f"konghq.com/protocol annotation has invalid value: {noted_protocol}",
                effect=f"protocol {proxy.protocol or 'http'} is used",
                hint=f"use one of {', '.join(_KNOWN_PROTOCOLS)}",
                field="metadata.annotations[konghq.com/protocol]",
            )
            noted_protocol = None
        return noted_protocol or proxy.protocol or "http"

    def _refusal(self, ref: ObjectRef, noted: notes.Annotations, protocol: str) -> str | None:
        """What would be unsafe to leave out closes the Service."""
        if protocol not in _PROTOCOLS:
            problem, key = f"upstream protocol {protocol} is not supported by this gateway", "konghq.com/protocol"
        elif notes.boolean(noted, _TLS_VERIFY):
            problem, key = "verifying upstream certificates is not supported by this gateway", _TLS_VERIFY
        else:
            return None
        self._diagnostics.error(
            ref,
            "service.refused",
            problem,
            effect="requests to this Service are answered 503",
            hint=f"use one of {', '.join(_PROTOCOLS)}" if key != _TLS_VERIFY else "remove the annotation",
            field=f"metadata.annotations[{key}]",
        )
        return problem

    def _warn(
        self,
        ref: ObjectRef,
        noted: notes.Annotations,
        old: tuple[str, ...],
        override: KongIngress | None,
        targets: Targets,
    ) -> None:
        for key in old:
            _warn_old_key(self._diagnostics, ref, key)
        for key in _WITHOUT_EFFECT:
            if key in noted:
                self._diagnostics.error(
                    ref,
                    "service.unsupported-annotation",
                    f"annotation {key} is not supported",
                    effect="the annotation has no effect",
                    hint="remove the annotation",
                    field=f"metadata.annotations[{key}]",
                )
        if targets.problem is not None:
            self._diagnostics.error(
                ref,
                "service.no-port",
                targets.problem,
                effect="requests to this Service are answered 503",
                hint="name a port that the Service has",
                field="spec.ports",
            )
        upstream = override.upstream if override else None
        if upstream and (upstream.healthchecks or upstream.hash_on or upstream.algorithm not in (None, "round-robin")):
            self._diagnostics.warning(
                typed_ref(override) if override else ref,
                "kongingress.unsupported-upstream",
                "only host_header of the section upstream is supported",
                effect="requests are balanced round-robin, without health checks",
                field="upstream",
            )


def _warn_old_key(diagnostics: Diagnostics, ref: ObjectRef, key: str) -> None:
    diagnostics.warning(
        ref,
        "annotation.deprecated",
        f"annotation {key} is an old name of {notes.LEGACY_KEYS[key]}",
        hint=f"rename it to {notes.LEGACY_KEYS[key]}",
        field=f"metadata.annotations[{key}]",
    )


def _cluster(
    namespace: str,
    backend: IngressServiceBackend,
    targets: Targets,
    origin: Origin,
    *,
    protocol: str = "http",
    connect_timeout: int = 60000,
) -> Cluster:
    port = backend.port.name or str(backend.port.number)
    return Cluster(
        name=f"{backend.name}.{namespace}.{port}.svc",
        discovery=targets.discovery,
        endpoints=targets.endpoints,
        origin=origin,
        protocol=_PROTOCOLS.get(protocol, Protocol.HTTP1),
        connect_timeout_s=connect_timeout / 1000,
        idle_timeout_s=_KEEPALIVE_S,
        # The name comes from the Host that is sent; Kong trusts any certificate unless told to verify.
        tls=ClientTls() if protocol in _TLS_PROTOCOLS else None,
    )


def _host_header(override: KongIngress | None) -> str | None:
    return override.upstream.host_header if override and override.upstream else None


def _milliseconds(noted: notes.Annotations, name: str, override: int | None) -> int:
    return _first(notes.integer(noted, f"konghq.com/{name}-timeout"), override, 60000)


def _base_path(noted: notes.Annotations, proxy: KongIngressProxy) -> str:
    """Values without a leading slash are ignored, as on Kong."""
    candidates = (noted.get("konghq.com/path"), proxy.path)
    return next((path for path in candidates if path and path.startswith("/")), "/")


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)
