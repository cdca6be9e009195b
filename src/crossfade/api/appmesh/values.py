"""Value types that several App Mesh kinds share (appmesh.md §1.2).

Enumerations stay text here and numbers any number: the CRD's schema refuses unknown words and what is out of bounds,
and what slips through (objects may be older than the schema) ends in a diagnostic rather than in an object that cannot
be read. `Annotated` numbers are brought within their bounds by `crossfade.api.fitting`.
"""

from typing import Annotated, Final, TypeAlias

from msgspec import Struct, field, structs

from crossfade.api.appmesh.tls import ClientCertificate, NodeTlsValidation, TlsCertificate, TlsValidation
from crossfade.api.bounds import (
    ANY_PORT,
    MILLISECONDS,
    PORT,
    POSITIVE_COUNT,
    POSITIVE_MILLISECONDS,
    POSITIVE_SECONDS,
    SECONDS,
    Bounds,
    Misfit,
)
from crossfade_kube.meta import Condition, NamespacedName

GROUP: Final = "appmesh.k8s.aws"
VERSION: Final = "v1beta2"


class Duration(Struct, frozen=True):
    """`unit` is "s" or "ms"."""

    unit: str
    value: int

    @property
    def seconds(self) -> float:
        return self.value / 1000 if self.unit == "ms" else float(self.value)


class Lasting(Struct, frozen=True):
    """How long a `Duration` may be, in each of its units."""

    seconds: Bounds
    milliseconds: Bounds

    def check(self, duration: Duration) -> Duration | Misfit:
        found = self._bounds(duration).check(duration.value)
        return found if isinstance(found, Misfit) else duration

    def fitted(self, duration: Duration) -> Duration:
        return structs.replace(duration, value=self._bounds(duration).fitted(duration.value))

    def _bounds(self, duration: Duration) -> Bounds:
        return self.milliseconds if duration.unit == "ms" else self.seconds


Port: TypeAlias = Annotated[int, PORT]
AnyPort: TypeAlias = Annotated[int, ANY_PORT]
"""0 counts as absent."""
Limit: TypeAlias = Annotated[int, POSITIVE_COUNT]
Timeout: TypeAlias = Annotated[Duration, Lasting(SECONDS, MILLISECONDS)]
Interval: TypeAlias = Annotated[Duration, Lasting(POSITIVE_SECONDS, POSITIVE_MILLISECONDS)]
CHECK_THRESHOLD: Final = Bounds(2, 10)
CHECK_INTERVAL: Final = Bounds(5000, 300_000, "ms")
CHECK_TIMEOUT: Final = Bounds(2000, 60_000, "ms")
Priority: TypeAlias = Annotated[int, Bounds(0, 1000)]


class PortMapping(Struct, frozen=True):
    """`protocol` is one of grpc, http, http2, tcp."""

    port: Port
    protocol: str


class ObjectReference(Struct, frozen=True):
    """`namespace` absent means the namespace of the object that refers."""

    name: str
    namespace: str | None = None

    def within(self, namespace: str) -> NamespacedName:
        return NamespacedName(self.namespace or namespace, self.name)


class MeshReference(Struct, frozen=True):
    """Written by admission once, at creation."""

    name: str
    uid: str = ""


class MatchRange(Struct, frozen=True):
    """`start` included, `end` excluded."""

    start: int
    end: int


class ValueMatch(Struct, frozen=True):
    """How a header or a gRPC metadata value must look; one of the five is set."""

    exact: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    regex: str | None = None
    range: MatchRange | None = None


class HeaderMatch(Struct, frozen=True):
    """No `match` means "present" (with `invert`: "absent")."""

    name: str
    match: ValueMatch | None = None
    invert: bool = False


class PathMatch(Struct, frozen=True):
    exact: str | None = None
    regex: str | None = None


class QueryValueMatch(Struct, frozen=True):
    exact: str | None = None


class QueryParameter(Struct, frozen=True):
    """No `match` means "present"."""

    name: str
    match: QueryValueMatch | None = None


class RequestTimeout(Struct, frozen=True, rename="camel"):
    """HTTP and gRPC timeouts; a `per_request` of 0 means "no limit"."""

    per_request: Timeout | None = None
    idle: Timeout | None = None


class TcpTimeout(Struct, frozen=True):
    idle: Timeout | None = None


class HealthCheckPolicy(Struct, frozen=True, rename="camel"):
    """A virtual gateway's need not say `healthy_threshold`."""

    protocol: str
    unhealthy_threshold: Annotated[int, CHECK_THRESHOLD]
    interval_millis: Annotated[int, CHECK_INTERVAL]
    timeout_millis: Annotated[int, CHECK_TIMEOUT]
    healthy_threshold: Annotated[int, CHECK_THRESHOLD] = 2
    path: str | None = None
    port: Port | None = None


class ConnectionLimits(Struct, frozen=True, rename="camel"):
    """`max_connections` for tcp and http, `max_requests` for http2 and grpc."""

    max_connections: Limit | None = None
    max_pending_requests: Limit | None = None
    max_requests: Limit | None = None


class ConnectionPool(Struct, frozen=True):
    """Exactly one of the four is set."""

    tcp: ConnectionLimits | None = None
    http: ConnectionLimits | None = None
    http2: ConnectionLimits | None = None
    grpc: ConnectionLimits | None = None

    @property
    def given(self) -> tuple[ConnectionLimits, ...]:
        return tuple(limits for limits in (self.tcp, self.http, self.http2, self.grpc) if limits is not None)


class JsonFormatEntry(Struct, frozen=True):
    key: str
    value: str


class LoggingFormat(Struct, frozen=True):
    text: str | None = None
    json: tuple[JsonFormatEntry, ...] = ()


class FileAccessLog(Struct, frozen=True):
    path: str
    format: LoggingFormat | None = None


class AccessLog(Struct, frozen=True):
    file: FileAccessLog | None = None


class Logging(Struct, frozen=True, rename="camel"):
    access_log: AccessLog | None = None

    @property
    def file(self) -> FileAccessLog | None:
        return self.access_log.file if self.access_log else None


class ListenerTls(Struct, frozen=True):
    """`mode` is one of DISABLED, PERMISSIVE, STRICT. A `validation` asks clients for certificates."""

    mode: str
    certificate: TlsCertificate = TlsCertificate()
    validation: NodeTlsValidation | None = None


class GatewayListenerTls(ListenerTls, frozen=True):
    validation: TlsValidation | None = None


class TlsClientPolicy(Struct, frozen=True):
    """An absent `enforce` counts as true; no `ports` means all ports."""

    enforce: bool | None = None
    ports: tuple[Port, ...] = ()
    certificate: ClientCertificate | None = None
    validation: TlsValidation = TlsValidation()

    def covers(self, port: int) -> bool:
        return not self.ports or port in self.ports

    @property
    def is_enforced(self) -> bool:
        return self.enforce is not False


class ClientPolicy(Struct, frozen=True):
    tls: TlsClientPolicy | None = None


class BackendDefaults(Struct, frozen=True, rename="camel"):
    client_policy: ClientPolicy | None = None


class Status(Struct, frozen=True, rename="camel"):
    """What all kinds report beside their ARN."""

    conditions: tuple[Condition, ...] = ()
    observed_generation: int | None = None


class VirtualNodeTarget(Struct, frozen=True, rename="camel"):
    """One of the two is set."""

    virtual_node_ref: ObjectReference | None = None
    virtual_node_arn: str | None = field(default=None, name="virtualNodeARN")


class VirtualServiceTarget(Struct, frozen=True, rename="camel"):
    """One of the two is set."""

    virtual_service_ref: ObjectReference | None = None
    virtual_service_arn: str | None = field(default=None, name="virtualServiceARN")
