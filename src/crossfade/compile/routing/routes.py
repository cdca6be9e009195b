"""Routes in the order in which they are tried: what Envoy's own route tables hold."""

from enum import StrEnum

from msgspec import Struct

from crossfade.compile.routing.matches import RouteMatch
from crossfade.compile.routing.origin import Origin
from crossfade.compile.routing.retry import RetryPolicy


class Destination(Struct, frozen=True, gc=False):
    """A weighted target after linking; `cluster` is the name of a cluster of the same proxy."""

    cluster: str
    weight: int = 1


class HostRewriteKind(StrEnum):
    PRESERVE = "preserve"
    LITERAL = "literal"
    ENDPOINT = "endpoint"
    """The `hostname` of the endpoint that was picked (`ip:port` for Kong)."""


class HostRewrite(Struct, frozen=True):
    kind: HostRewriteKind = HostRewriteKind.PRESERVE
    value: str = ""


class Mirror(Struct, frozen=True):
    """A copy of `percent` of 100 requests goes to the cluster too; what it answers is dropped."""

    cluster: str
    percent: int = 100


class Forward(Struct, frozen=True):
    """`timeout_s` bounds the whole exchange, `None` = no bound; `idle_timeout_s` the gaps within a stream.

    `prefix_rewrite` replaces what a prefix or an exact path matched, `path_rewrite` the whole path; the query stays.
    `request_headers` replace what the caller sent by these names, `response_headers` what is answered.
    """

    destinations: tuple[Destination, ...]
    timeout_s: float | None = 15.0
    idle_timeout_s: float | None = None
    retry: RetryPolicy | None = None
    host: HostRewrite = HostRewrite()
    prefix_rewrite: str | None = None
    path_rewrite: str | None = None
    request_headers: tuple[tuple[str, str], ...] = ()
    removed_request_headers: tuple[str, ...] = ()
    response_headers: tuple[tuple[str, str], ...] = ()
    removed_response_headers: tuple[str, ...] = ()
    mirrors: tuple[Mirror, ...] = ()
    has_websocket: bool = True


class Respond(Struct, frozen=True):
    """Answered by Envoy itself."""

    status: int
    body: str = ""
    content_type: str = "text/plain"


class Route(Struct, frozen=True):
    name: str
    match: RouteMatch
    action: Forward | Respond
    origin: Origin


class VirtualHost(Struct, frozen=True):
    """`domains` as Envoy writes them (`*`, `*.x`, `x.*`, exact). The first route that matches wins.

    `origin` is who wants the domains; None where nobody in particular does.
    """

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    origin: Origin | None = None


class RouteTable(Struct, frozen=True):
    """`hidden_headers` are taken off answers that come from the clusters; `copied_headers` are (name, of which)."""

    name: str
    virtual_hosts: tuple[VirtualHost, ...]
    hidden_headers: tuple[str, ...] = ()
    copied_headers: tuple[tuple[str, str], ...] = ()
