"""Names outside of the mesh that a node may call although the mesh drops what it does not know.

TLS is told by the server name that a client asks for, HTTP by its host. The sidecar looks the name up itself and
connects to what it finds: where the client wanted to connect to plays no part, so a name cannot be lent to another
address.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from crossfade.api.appmesh import VirtualNode
from crossfade.api.bounds import PORT, Misfit, host_name, is_ip_address
from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.mesh import names
from crossfade.compile.mesh.asks import Ask, NotUnderstood, asked, tell, whole
from crossfade.compile.model import AccessLog, Cluster, Discovery, Endpoint, FilterChain, Protocol, TcpHandler
from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.routes import Destination, Forward, Respond, Route, VirtualHost
from crossfade_kube.registry import typed_ref

_ENTRY: Final = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<wild>\*\.)?(?P<name>[^\s:/*]+)(?::(?P<port>\d{1,9}))?/?", re.ASCII
)
_HTTP_PORT: Final = 80
_TLS_PORT: Final = 443
# Each is a cluster of the sidecar.
_MOST: Final = 200
_CONNECT_TIMEOUT_S: Final = 10.0


class Domain(NamedTuple):
    """`name` is without `*.`."""

    name: str
    port: int
    is_wild: bool
    is_http: bool

    @property
    def pattern(self) -> str:
        return f"*.{self.name}" if self.is_wild else self.name


def read_domains(text: str) -> tuple[Domain, ...]:
    """Each once, in order; raises NotUnderstood."""
    entries = [entry for entry in re.split(r"[,\s]+", text) if entry]
    if not entries:
        raise NotUnderstood("the value is empty")
    if len(entries) > _MOST:
        raise NotUnderstood(f"there are more than {_MOST} domains")
    return tuple(sorted({_domain(entry) for entry in entries}))


def _domain(text: str) -> Domain:
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise NotUnderstood(f"{text[:80]!a} is no domain")
    name = found["name"].lower().rstrip(".")
    if is_ip_address(name) or isinstance(checked := host_name(name), Misfit):
        problem = "is an address, which has no name to tell it by" if is_ip_address(name) else str(checked)
        raise NotUnderstood(f"{name[:80]!a}: {problem}")
    scheme = found["scheme"]
    port = whole(found["port"], PORT) if found["port"] else _HTTP_PORT if scheme == "http" else _TLS_PORT
    is_http = scheme == "http" or (scheme is None and port == _HTTP_PORT)
    return Domain(name, port, found["wild"] is not None, is_http)


EGRESS_DOMAINS: Final = Ask(
    "crossfade.dev/egress-domains",
    "names with commas between them: `api.stripe.com, *.amazonaws.com:443, http://mirror.example.com:8080`; port 80 and"
    " `http://` are HTTP, all else is TLS on port 443 unless it says another",
    read_domains,
    is_one=True,
)
"""On a VirtualNode of a mesh with egressFilter DROP_ALL."""


class EgressPart(NamedTuple):
    """`hosts` are those of HTTP, by port: they go into the port's table of routes, after those of backends."""

    chains: tuple[FilterChain, ...] = ()
    hosts: Mapping[int, tuple[VirtualHost, ...]] = {}
    clusters: tuple[Cluster, ...] = ()


class EgressScope(NamedTuple):
    """`mesh` is its awsName. `spoken` is what backends speak by port (`http`, `http2`, `grpc`, `tcp`)."""

    node: VirtualNode
    mesh: str
    passes_on: bool
    spoken: Mapping[int, str]
    access_log: AccessLog | None
    diagnostics: Diagnostics

    @property
    def origin(self) -> Origin:
        return Origin(typed_ref(self.node), f"metadata.annotations[{EGRESS_DOMAINS.key}]")


def compile_egress(scope: EgressScope) -> EgressPart:
    found = asked(scope.node, EGRESS_DOMAINS, read_domains, scope.diagnostics)
    domains = [domain for each in found.values() for domain in each]
    if domains and scope.passes_on:
        scope.diagnostics.warning(
            typed_ref(scope.node),
            "egress.all-allowed",
            "the mesh's egressFilter is ALLOW_ALL",
            effect="the node may call these domains and all others",
            hint="set spec.egressFilter.type of the Mesh to DROP_ALL, or remove the annotation",
            field=scope.origin.path,
        )
        return EgressPart()
    usable = [domain for domain in domains if _is_usable(domain, scope)]
    hosts: dict[int, list[VirtualHost]] = {}
    for domain in usable:
        if domain.is_http:
            hosts.setdefault(domain.port, []).append(_host(domain, scope))
    return EgressPart(
        tuple(_chain(domain, scope) for domain in usable if not domain.is_http),
        {port: (*found, _refusing(scope)) for port, found in hosts.items()},
        tuple({cluster.name: cluster for domain in usable for cluster in [_cluster(domain, scope)]}.values()),
    )


def _is_usable(domain: Domain, scope: EgressScope) -> bool:
    spoken = scope.spoken.get(domain.port, "http" if domain.is_http else "")
    if domain.is_http and spoken != "http":
        problem = f"a backend speaks {spoken} on port {domain.port}, so no HTTP/1 can be told apart there"
    elif spoken == "tcp" and domain.port != _TLS_PORT:
        problem = f"a backend speaks tcp on port {domain.port}, which may wait for its server to speak first"
    else:
        return True
    tell(scope.node, EGRESS_DOMAINS, f"{domain.pattern} cannot be called: {problem}", scope.diagnostics)
    return False


def _cluster(domain: Domain, scope: EgressScope) -> Cluster:
    """One for each name; those of patterns share one, which takes the name from the request."""
    if domain.is_wild:
        name = names.named_by_client_cluster(scope.mesh)
        return Cluster(name, Discovery.BY_NAME, (), scope.origin, connect_timeout_s=_CONNECT_TIMEOUT_S)
    return Cluster(
        names.domain_cluster(scope.mesh, domain.name, domain.port),
        Discovery.LOGICAL_DNS,
        # The final dot keeps the pod's DNS search path out of it.
        (Endpoint(f"{domain.name}.", domain.port),),
        scope.origin,
        Protocol.HTTP1,
        connect_timeout_s=_CONNECT_TIMEOUT_S,
    )


def _chain(domain: Domain, scope: EgressScope) -> FilterChain:
    handler = TcpHandler(
        (Destination(_cluster(domain, scope).name),),
        "egress",
        access_log=scope.access_log,
        finds_host_on=domain.port if domain.is_wild else None,
    )
    name = f"tls_{domain.port}_{domain.pattern}"
    return FilterChain(name, handler, domain.port, (domain.pattern,), origin=scope.origin)


def _host(domain: Domain, scope: EgressScope) -> VirtualHost:
    """Clients leave out the port that is HTTP's own; what a pattern brings is called on the port that it says."""
    with_port = f"{domain.pattern}:{domain.port}"
    says_port = domain.is_wild and domain.port != _HTTP_PORT
    forward = Forward((Destination(_cluster(domain, scope).name),), timeout_s=None, finds_host=domain.is_wild)
    route = Route("egress", RouteMatch(), forward, scope.origin)
    domains = (with_port,) if says_port else (domain.pattern, with_port)
    return VirtualHost(f"egress:{domain.pattern}", domains, (route,), scope.origin)


def _refusing(scope: EgressScope) -> VirtualHost:
    told = f"virtual node {scope.node.metadata.key} may not call this host: {EGRESS_DOMAINS.key} does not name it\n"
    name = "egress-refused"
    return VirtualHost(name, ("*",), (Route(name, RouteMatch(), Respond(403, told), scope.origin),))
