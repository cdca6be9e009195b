"""Kong's own objects, as the ingress controller derives them: what stands between Ingresses and the proxy's model."""

from typing import Literal, TypeAlias

from msgspec import Struct

from crossfade.compile.model import Cluster
from crossfade.compile.routing.matches import PathMatchKind
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.tables import Hashing, StickyCookie
from crossfade_kube.core.ingress import IngressServiceBackend
from crossfade_kube.meta import NamespacedName, ObjectRef

Transport: TypeAlias = Literal["http", "tcp", "udp"]
"""How a backend is spoken to: by requests, in connections, by datagrams."""


class KongPath(Struct, frozen=True, gc=False):
    """`is_generated` marks a regex that the controller makes of pathType Exact or Prefix, `is_stem` that of Prefix."""

    kind: PathMatchKind
    text: str
    is_generated: bool = False
    is_stem: bool = False

    @property
    def is_regex(self) -> bool:
        """In Kong's eyes an exact path is one too, without any metacharacter."""
        return self.kind is not PathMatchKind.PREFIX


class PluginRef(Struct, frozen=True, gc=False):
    """A name in a `konghq.com/plugins` annotation and the object that carries the annotation."""

    name: str
    referrer: ObjectRef


class KongBackend(Struct, frozen=True, gc=False):
    """What an Ingress names as its backend, and where it does. A `facade` says which Service stands behind it."""

    namespace: str
    service: IngressServiceBackend
    origin: Origin
    facade: str = ""
    transport: Transport = "http"

    @property
    def is_stream(self) -> bool:
        return self.transport != "http"

    @property
    def name(self) -> str:
        """Of the KongService. Kong's own name is the same for HTTP and TCP, whose Services it then mixes up."""
        if self.is_stream:
            return f"{self.namespace}.{self.service.name}.{port_text(self.service)}.{self.transport}"
        if self.facade:
            return f"{self.namespace}.{self.facade}.svc.facade"
        return f"{self.namespace}.{self.service.name}.{port_text(self.service)}"


def port_text(backend: IngressServiceBackend) -> str:
    return backend.port.name or str(backend.port.number)


class KongService(Struct, frozen=True, gc=False):
    """Timeouts in milliseconds; the connect timeout is the cluster's. `refusal` is said instead of forwarding.
    `missing_port` is for all who name this port of the Service: that it is not there. `created` is the Service's own.

    Without any target the cluster is empty: plugins run, then the gateway answers 503, as Kong does.
    """

    name: str
    id: str
    cluster: Cluster
    protocol: str = "http"
    path: str = "/"
    retries: int = 5
    read_timeout: int = 60000
    plugins: tuple[PluginRef, ...] = ()
    refusal: str | None = None
    missing_port: str | None = None
    server_name: str | None = None
    hashing: Hashing | None = None
    sticky: StickyCookie | None = None
    created: str = ""


class StreamRoute(Struct, frozen=True, gc=False):
    """A rule for a port of the gateway, with `host` for one TLS server name. `age` and `index` order rules.

    Its name is that of Kong's ingress controller.
    """

    transport: Transport
    port: int
    host: str
    is_passthrough: bool
    backend: KongBackend
    origin: Origin
    age: tuple[str, NamespacedName]
    index: int
    plugins: tuple[PluginRef, ...] = ()

    @property
    def name(self) -> str:
        ref = self.origin.ref
        suffix = ".udp" if self.transport == "udp" else ""
        return f"{ref.namespace}.{ref.name}.{self.index}{suffix}"

    @property
    def protocols(self) -> tuple[str, ...]:
        if self.transport == "udp":
            return ("udp",)
        return ("tls_passthrough",) if self.is_passthrough else ("tcp", "tls")


class KongRoute(Struct, frozen=True, gc=False):
    """`created` is the Ingress's creation time, for ties. One that `is_plain_only` takes no request over TLS."""

    name: str
    id: str
    backend: KongBackend
    paths: tuple[KongPath, ...]
    origin: Origin
    created: str
    hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    snis: tuple[str, ...] = ()
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    protocols: tuple[str, ...] = ("http", "https")
    strip_path: bool = False
    preserve_host: bool = True
    regex_priority: int = 0
    https_redirect_status_code: int = 426
    request_buffering: bool = True
    is_default_backend: bool = False
    is_plain_only: bool = False
    plugins: tuple[PluginRef, ...] = ()
