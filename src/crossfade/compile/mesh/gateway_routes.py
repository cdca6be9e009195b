"""A virtual gateway's own routes: what they match, how they rewrite before the service's apply (appmesh.md §3.11)."""

from typing import Final

from msgspec import Struct, structs

from crossfade.api.appmesh import GatewayRoute
from crossfade.api.appmesh.gateway_route import GrpcGatewayRoute, HostnameMatch, HttpGatewayRoute, Rewrite
from crossfade.api.appmesh.virtual_router import GrpcRouteMatch, HttpRouteMatch
from crossfade.api.bounds import Misfit, header_value
from crossfade.compile.mesh.matches import Unusable, grpc_match, http_match
from crossfade.compile.routing.matches import HeaderMatch, PathMatchKind, RouteMatch, StringMatch, StringMatchKind
from crossfade.compile.routing.patterns import re2_quoted

LOWEST_PRIORITY: Final = 1000
_DISABLED: Final = "DISABLED"
_ANY_PORT: Final = "(:[0-9]+)?"


class Entry(Struct, frozen=True):
    """One condition of a gateway route; a prefix makes two.

    `prefix_rewrite` replaces what a prefix or an exact path matched, `path_rewrite` the whole path.
    """

    match: RouteMatch
    prefix_rewrite: str | None = None
    path_rewrite: str | None = None


def route_kind(route: GatewayRoute) -> tuple[str, HttpGatewayRoute | GrpcGatewayRoute] | None:
    """Protocol and body; None unless exactly one is given."""
    bodies = (("http", route.spec.http_route), ("http2", route.spec.http2_route), ("grpc", route.spec.grpc_route))
    given = [(protocol, body) for protocol, body in bodies if body is not None]
    return given[0] if len(given) == 1 else None


def keeps_host(body: HttpGatewayRoute | GrpcGatewayRoute) -> bool:
    """Whether the application sees the host name that the caller used, not the virtual service's."""
    rewrite = body.action.rewrite
    hostname = rewrite.hostname if rewrite else None
    return hostname is not None and hostname.default_target_hostname == _DISABLED


def entries(body: HttpGatewayRoute | GrpcGatewayRoute) -> tuple[Entry, ...]:
    """In the order in which they are to be tried; raises Unusable."""
    rewrite = body.action.rewrite or Rewrite()
    if isinstance(body, GrpcGatewayRoute):
        match = grpc_match(GrpcRouteMatch(service_name=body.match.service_name, metadata=body.match.metadata))
        return (Entry(_with_host(match, body.match.hostname)),)
    found = body.match
    base = http_match(
        HttpRouteMatch(
            prefix="/" if found.prefix is None and found.path is None else found.prefix,
            path=found.path,
            headers=found.headers,
            method=found.method,
            query_parameters=found.query_parameters,
        )
    )
    match = _with_host(base, found.hostname)
    return (
        _path_entries(match, rewrite)
        if match.path_kind is not PathMatchKind.PREFIX
        else _prefix_entries(match, rewrite)
    )


def _prefix_entries(match: RouteMatch, rewrite: Rewrite) -> tuple[Entry, ...]:
    """`/x` is tried as `/x/` first, so that `/x/a` becomes `/a` and not `//a`."""
    if rewrite.path is not None:
        raise Unusable("action.rewrite.path", "the whole path can only be rewritten where the match is an exact path")
    keeps_path = rewrite.prefix is not None and rewrite.prefix.default_prefix == _DISABLED
    if keeps_path:
        return (Entry(match),)
    replacement = _replacement((rewrite.prefix.value if rewrite.prefix else None) or "/", "action.rewrite.prefix.value")
    if match.path.endswith("/"):
        return (Entry(match, None if match.path == replacement else replacement),)
    return (
        Entry(structs.replace(match, path=f"{match.path}/"), replacement),
        Entry(match, replacement),
    )


def _path_entries(match: RouteMatch, rewrite: Rewrite) -> tuple[Entry, ...]:
    """Without a rewrite of its own the path is kept."""
    if rewrite.prefix is not None and rewrite.prefix.value is not None:
        raise Unusable("action.rewrite.prefix", "a prefix can only be rewritten where the match is a prefix")
    if rewrite.path is None or rewrite.path.exact is None:
        return (Entry(match),)
    path = _replacement(rewrite.path.exact, "action.rewrite.path.exact")
    if match.path_kind is PathMatchKind.EXACT:
        return (Entry(match, prefix_rewrite=path),)
    return (Entry(match, path_rewrite=path),)


def _replacement(path: str, field: str) -> str:
    if isinstance(misfit := header_value(path), Misfit):
        raise Unusable(field, misfit.problem)
    return path


def _with_host(match: RouteMatch, hostname: HostnameMatch | None) -> RouteMatch:
    """The port that the caller may have named does not count."""
    if hostname is None:
        return match
    if (hostname.exact is None) == (hostname.suffix is None):
        raise Unusable("match.hostname", "exactly one of exact and suffix must be given")
    kind, host = ("exact", hostname.exact) if hostname.exact is not None else ("suffix", hostname.suffix or "")
    if isinstance(misfit := header_value(host), Misfit):
        raise Unusable(f"match.hostname.{kind}", misfit.problem)
    text = re2_quoted(host) if kind == "exact" else ".*" + re2_quoted(host)
    pattern = StringMatch(StringMatchKind.REGEX, f"(?i){text}{_ANY_PORT}")
    return structs.replace(match, headers=(HeaderMatch(":authority", (pattern,)), *match.headers))
