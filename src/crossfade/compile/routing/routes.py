"""Routes in the order in which they are tried: what Envoy's own route tables hold."""

from collections.abc import Iterable
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


class Fault(Struct, frozen=True):
    """What is done to some requests from `start_s` until before `end_s`, in seconds since 1970.

    The two shares are of all requests, each drawn by itself; a share of 0 is none. `name` is one that no other fault
    has; routes may share a fault. It ends early when more than `stop_percent` of the requests to a node of the mesh
    fail, not counting those that it aborts itself.
    """

    start_s: int
    end_s: int
    delay_ms: int = 0
    delay_percent: int = 0
    abort_status: int = 0
    abort_percent: int = 0
    stop_percent: int = 20
    name: str = ""
    origin: Origin | None = None


class RateLimit(Struct, frozen=True):
    """`requests` in `period_s`, evenly; `burst` at once after a quiet time. Others are answered 429."""

    requests: int
    period_s: int
    burst: int


class Forward(Struct, frozen=True):
    """`timeout_s` bounds the whole exchange, `None` = no bound; `idle_timeout_s` the gaps within a stream.

    `prefix_rewrite` replaces what a prefix or an exact path matched, `path_rewrite` the whole path; the query stays.
    `request_headers` replace what the caller sent by these names, `response_headers` what is answered. With
    `max_held_bytes` a request is held until it has ended; one that is larger is answered 413.
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
    fault: Fault | None = None
    rate_limit: RateLimit | None = None
    max_held_bytes: int | None = None
    finds_host: bool = False
    """The destination connects to the host that the request names."""


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


class RouteFilters(Struct, frozen=True):
    """What routes ask of their listener beside forwarding. `faults` are names."""

    faults: tuple[str, ...] = ()
    limits_rate: bool = False
    holds_bodies: bool = False
    finds_hosts: bool = False


def filters_of(routes: Iterable[Route]) -> RouteFilters:
    forwards = [route.action for route in routes if isinstance(route.action, Forward)]
    return RouteFilters(
        faults=tuple(sorted({one.fault.name for one in forwards if one.fault is not None})),
        limits_rate=any(one.rate_limit is not None for one in forwards),
        holds_bodies=any(one.max_held_bytes is not None for one in forwards),
        finds_hosts=any(one.finds_host for one in forwards),
    )


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
