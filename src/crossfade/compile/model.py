"""The model between manifests and Envoy: what one proxy does, in the field's terms, with nothing of either side.

Everything is frozen, comparable and ordered by the compiler, so that the same manifests give the same bytes.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Destination, RouteFilters, RouteTable
from crossfade.compile.routing.tables import GatewayTables

# --- upstreams -------------------------------------------------------------------------------------------------


class Protocol(StrEnum):
    HTTP1 = "http"
    HTTP2 = "http2"
    GRPC = "grpc"
    TCP = "tcp"


class Endpoint(Struct, frozen=True, order=True):
    """`hostname` is what `HostRewriteKind.ENDPOINT` writes; `zone` is where the endpoint runs."""

    address: str
    port: int
    hostname: str = ""
    weight: int = 1
    zone: str = ""


class Discovery(StrEnum):
    STATIC = "static"
    EDS = "eds"
    """Endpoints travel in their own resource, so that a change does not touch the cluster."""
    LOGICAL_DNS = "logical-dns"
    STRICT_DNS = "strict-dns"
    ORIGINAL_DST = "original-dst"
    BY_NAME = "by-name"
    """Connects to the name that a request brings, by its host or by the server name of TLS."""


class CircuitBreakers(Struct, frozen=True):
    """2147483647 stands for "no limit"."""

    max_connections: int = 2147483647
    max_pending_requests: int = 2147483647
    max_requests: int = 2147483647
    max_retries: int = 2147483647


class ClientTls(Struct, frozen=True):
    """TLS towards a cluster. `server_name=None` takes the request's (rewritten) Host, an empty one names nobody.

    Trusted are the authorities of `ca_pem` or of the file `ca_file` on the proxy's machine; without either anyone is.
    """

    server_name: str | None = None
    ca_pem: str | None = None
    ca_file: str | None = None
    verify_depth: int | None = None
    certificate: "ServerCertificate | None" = None
    """What the proxy shows when it is asked who it is."""

    @property
    def verifies(self) -> bool:
        return self.ca_pem is not None or self.ca_file is not None


class ProbeSocket(StrEnum):
    AS_REQUESTS = "as-requests"
    PLAIN = "plain"
    TLS = "tls"


class HealthCheck(Struct, frozen=True):
    """Statuses outside `failing_statuses` pass; None: only 200 passes, and any other fails at once.

    `host` is what probes send as Host; None: the endpoint's `hostname`. `tls` is for `ProbeSocket.TLS`.
    """

    protocol: Protocol
    interval_s: float
    timeout_s: float
    healthy_threshold: int
    unhealthy_threshold: int
    path: str = "/"
    unhealthy_interval_s: float | None = None
    failing_statuses: tuple[int, ...] | None = None
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    socket: ProbeSocket = ProbeSocket.AS_REQUESTS
    tls: ClientTls | None = None


class OutlierDetection(Struct, frozen=True):
    """An endpoint is left out after so many failures in a row; 0: never for failures of that kind.

    `failing_statuses` are those that count, None all from 500. With `consecutive_local_failures` lost connections and
    timeouts count apart from statuses, otherwise together with them.
    """

    consecutive_5xx: int
    interval_s: float
    base_ejection_s: float
    max_ejection_percent: int
    consecutive_local_failures: int | None = None
    failing_statuses: tuple[int, ...] | None = None


class Algorithm(StrEnum):
    ROUND_ROBIN = "round-robin"
    LEAST_REQUEST = "least-request"
    """The one of all endpoints with the fewest requests."""
    BETTER_OF_TWO = "better-of-two"
    """Of two drawn at random the one with fewer requests."""
    RING_HASH = "ring-hash"
    """By the hash that the policy module gives a request; any endpoint for those without one."""


class Balancing(Struct, frozen=True):
    """`ring_size` is the least number of places on the ring of a `RING_HASH`; None is Envoy's own.

    With fewer healthy endpoints than `least_healthy_percent` all requests fail, with 0 only when there are none; None
    is Envoy's own way, which then sends to the others too.
    """

    algorithm: Algorithm = Algorithm.ROUND_ROBIN
    ring_size: int | None = None
    least_healthy_percent: int | None = None


class IpFamily(StrEnum):
    """Which addresses a DNS discovery uses."""

    ANY = "any"
    """IPv6 if there is one, else IPv4."""
    V4_FIRST = "v4-first"
    """IPv4 if there is one, else IPv6."""
    V4 = "v4"
    V6 = "v6"


class HeaderCase(StrEnum):
    """How names of headers are written in HTTP/1."""

    LOWER = "lower"
    PRESERVE = "preserve"
    """As they came in, where that was HTTP/1 too."""
    PROPER = "proper"
    """`X-Request-Id`"""


_TAKES_HTTP2: Final = "/http2"


def carried_endpoints(cluster: str) -> str:
    """The name of those that take HTTP/2; another one, so that a cluster never meets endpoints of the other kind."""
    return cluster + _TAKES_HTTP2


def other_endpoints(name: str) -> str:
    """The name of the same cluster's endpoints of the other kind."""
    return name.removesuffix(_TAKES_HTTP2) if name.endswith(_TAKES_HTTP2) else carried_endpoints(name)


class ReachedNode(Struct, frozen=True):
    """Whom a cluster of a mesh reaches; `aws_name` is its name at AWS."""

    name: str
    namespace: str
    aws_name: str


class Cluster(Struct, frozen=True):
    """`endpoints` of a DNS discovery is exactly one name and port. A cluster without endpoints answers 503.

    With `shares_endpoints` those of an EDS cluster are not part of any one proxy's model.

    `idle_timeout_s` closes upstream connections that carry nothing; None is Envoy's hour, 0 is never.
    """

    name: str
    discovery: Discovery
    endpoints: tuple[Endpoint, ...]
    origin: Origin
    protocol: Protocol = Protocol.HTTP1
    connect_timeout_s: float = 1.0
    circuit_breakers: CircuitBreakers = CircuitBreakers()
    balancing: Balancing = Balancing()
    health_check: HealthCheck | None = None
    outlier_detection: OutlierDetection | None = None
    ip_family: IpFamily = IpFamily.ANY
    idle_timeout_s: float | None = None
    max_requests_per_connection: int | None = None
    dns_refresh_s: float | None = None
    """How long a name that was found stays looked up."""
    dns_retry_s: float | None = None
    """After how long one that was not found is looked up again."""
    tls: ClientTls | None = None
    mesh_tls: "MeshTls | None" = None
    """In place of `tls`."""
    shares_endpoints: bool = False
    prefers_own_zone: bool = False
    """Others come when too few endpoints of the proxy's own zone are healthy; for those that are shared."""
    header_case: HeaderCase = HeaderCase.LOWER
    is_carried: bool = False
    """HTTP/1 over a protocol of HTTP/2, to endpoints that are all proxies of ours."""
    reaches: ReachedNode | None = None
    """Under which name its requests are counted."""

    @property
    def endpoints_name(self) -> str:
        """Of its endpoints where they travel apart."""
        return carried_endpoints(self.name) if self.is_carried else self.name

    @property
    def is_watched(self) -> bool:
        """The health of the endpoints, by probes or by what becomes of requests."""
        return self.health_check is not None or self.outlier_detection is not None

    @property
    def are_probed(self) -> bool:
        """The endpoints, by probes that say a Host."""
        return self.health_check is not None and self.health_check.protocol is not Protocol.TCP


# --- listeners -------------------------------------------------------------------------------------------------


class Dialect(StrEnum):
    """Whose habits the HTTP connection manager follows (headers, path normalisation, filters)."""

    APP_MESH = "app-mesh"
    KONG = "kong"


class AccessLog(Struct, frozen=True):
    """At most one of `text` and `json`; neither means Envoy's default format."""

    path: str
    text: str | None = None
    json: tuple[tuple[str, str], ...] = ()


class Telemetry(Struct, frozen=True):
    """What is told of requests. `counts_requests`: by who asks whom, in the App Mesh dialect.

    `counts_calls`: of a gateway that is a node of a mesh by itself, those that its mesh's routes take.
    `counts_statuses`: in Envoy's own statistics of each cluster, which costs every request a microsecond.
    """

    counts_requests: bool = True
    counts_statuses: bool = False
    counts_calls: bool = False


class HttpHandler(Struct, frozen=True):
    """Requests are routed by the `RouteTable` of that name; in the Kong dialect by the gateway's own tables."""

    route_table: str
    stat_prefix: str
    dialect: Dialect
    protocol: Protocol = Protocol.HTTP1
    stream_idle_timeout_s: float | None = 300.0
    access_log: AccessLog | None = None
    takes_http2: bool = False
    """Besides HTTP/1; the client's first bytes tell, or what TLS has settled."""
    tells_undelivered: bool = False
    """Its own answers say how far the request got (`MARKS`)."""
    header_case: HeaderCase = HeaderCase.LOWER
    """In the App Mesh dialect."""
    filters: RouteFilters = RouteFilters()
    """In the App Mesh dialect: those that routes of the table ask for."""
    telemetry: Telemetry = Telemetry()


class SessionNames(Struct, frozen=True):
    """Under which the sessions of a stream are counted where a plugin counts them: Kong's."""

    route: str
    service: str


class TcpHandler(Struct, frozen=True):
    destinations: tuple[Destination, ...]
    stat_prefix: str
    idle_timeout_s: float | None = 300.0
    access_log: AccessLog | None = None
    connect_attempts: int = 1
    hashes_address: bool = False
    """A `RING_HASH` goes by the client's address."""
    finds_host_on: int | None = None
    """The port, where the one destination is a `BY_NAME`."""
    counted_as: SessionNames | None = None


class UdpHandler(Struct, frozen=True):
    """Datagrams of one client go to one endpoint until there was none for `idle_timeout_s`."""

    cluster: str
    stat_prefix: str
    origin: Origin
    idle_timeout_s: float = 60.0
    hashes_address: bool = False
    counted_as: SessionNames | None = None


class ServerCertificate(Struct, frozen=True):
    """PEM texts; the private key never appears in `repr`.

    One with a `name` reaches the proxy by itself, so that a new one does not end the connections of its listener.
    """

    chain_pem: str
    key_pem: str
    name: str = ""

    def __repr__(self) -> str:
        return "ServerCertificate(***)"


class StoredCertificate(Struct, frozen=True):
    """PEM texts under a name that stays when they change; the private key never appears in `repr`."""

    name: str
    chain_pem: str
    key_pem: str

    def __repr__(self) -> str:
        return f"StoredCertificate({self.name!r}, ***)"


class StoredAuthorities(Struct, frozen=True):
    """As `StoredCertificate`."""

    name: str
    pem: str


class FileCertificate(Struct, frozen=True):
    """Paths on the proxy's machine. The proxy takes new content over when the files' folder changes."""

    chain: str
    key: str


class FileAuthorities(Struct, frozen=True):
    """As `FileCertificate`."""

    path: str


class LocalSecret(Struct, frozen=True):
    """Certificate or authorities that an agent gives the proxy at a socket of its machine (SDS)."""

    name: str


class Issued(StrEnum):
    """What the control plane makes for the proxy's `Identity` and renews: no part of any model."""

    IDENTITY = "mesh identity"
    """Certificate and key."""
    AUTHORITIES = "mesh authorities"
    """Those of all identities of the proxy's mesh."""


class MeshIssued(Struct, frozen=True):
    """The same for a proxy that has all else from another control plane, and asks the mesh's for this alone."""

    what: Issued


class Issuer(Struct, frozen=True):
    """One of cert-manager, in the controller's namespace if its kind has namespaces. Nobody without a name."""

    kind: str
    name: str
    group: str = "cert-manager.io"

    def __str__(self) -> str:
        group = "" if self.group == "cert-manager.io" else f".{self.group}"
        return f"{self.kind}{group}/{self.name}"


class Identity(Struct, frozen=True):
    """Whom a proxy is to its peers; `spiffe_id` is the one name in its certificate.

    Without an issuer the control plane's own authority signs.
    """

    spiffe_id: str
    issuer: Issuer | None = None


class PeerCheck(Struct, frozen=True):
    """A peer must have a certificate of these authorities, with one of `names` in it unless there are none.

    `trust_domain` demands any SPIFFE ID of that domain.
    """

    authorities: StoredAuthorities | FileAuthorities | LocalSecret | Issued | MeshIssued
    names: tuple[str, ...] = ()
    trust_domain: str = ""


class MeshTls(Struct, frozen=True):
    """TLS between proxies of a mesh, of either side: what it shows and whom it believes.

    A client without `peers` believes anyone, a server without them asks for nothing. `server_name` is what a client
    names.
    """

    certificate: StoredCertificate | FileCertificate | LocalSecret | Issued | MeshIssued | None = None
    peers: PeerCheck | None = None
    server_name: str = ""


class ServerTls(Struct, frozen=True):
    """TLS towards clients. `oldest` and `newest` are versions like `TLSv1.2`; without `ciphers` Envoy's own count."""

    oldest: str = "TLSv1.2"
    newest: str = "TLSv1.3"
    ciphers: tuple[str, ...] = ()
    has_tickets: bool = True
    session_timeout_s: int | None = None


class AskedCertificate(Struct, frozen=True):
    """Of a client, which need not show one, and is not refused for what it shows: the policy module decides.

    `authorities_pem` are those whose names it is told, so that it can choose among its certificates; empty for none.
    """

    authorities_pem: str = ""


class FilterChain(Struct, frozen=True):
    """Without `destination_port` and names it takes what no other takes.

    `*.suffix` among the `server_names` has any number of labels before the suffix, among the `one_label_names`, which
    are for listeners without chains for ports, exactly one.

    `origin` is who wants it; None where nobody in particular does.
    """

    name: str
    handler: HttpHandler | TcpHandler
    destination_port: int | None = None
    server_names: tuple[str, ...] = ()
    one_label_names: tuple[str, ...] = ()
    certificate: ServerCertificate | None = None
    origin: Origin | None = None
    tls: ServerTls = ServerTls()
    asked: AskedCertificate | None = None
    mesh_tls: MeshTls | None = None
    takes_tls_only: bool = False
    """Plain text on the same port is for another chain; its first bytes tell."""


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Listener(Struct, frozen=True):
    """With `restores_original_destination` the port a connection was meant for (iptables REDIRECT) picks the chain.

    `backlog` None is the system's own. `takes_ipv4_too` is for an IPv6 address. With `datagrams` the port is one of UDP
    and has no chains. With `counts_connections` App Mesh's metrics tell of connections, where the proxy's environment
    asks for these.
    """

    name: str
    address: str
    port: int
    direction: Direction
    chains: tuple[FilterChain, ...]
    restores_original_destination: bool = False
    has_proxy_protocol: bool = False
    backlog: int | None = None
    takes_ipv4_too: bool = False
    datagrams: UdpHandler | None = None
    counts_connections: bool = False


class ProxyModel(Struct, frozen=True):
    """Everything one proxy needs. `gateway` is what the policy module decides by (Kong dialect).

    `identity` is there where something is `Issued`.
    """

    listeners: tuple[Listener, ...] = ()
    route_tables: tuple[RouteTable, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    gateway: GatewayTables | None = None
    identity: Identity | None = None
