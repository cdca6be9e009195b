"""Which of a mesh's routes takes a request that the gateway itself sends into it; Envoy decides, this foretells it."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from crossfade.compile.routing.matches import (
    HeaderMatch,
    PathMatchKind,
    QueryMatch,
    RangeMatch,
    RouteMatch,
    StringMatch,
    StringMatchKind,
)
from crossfade.compile.routing.routes import Forward, Route, VirtualHost
from crossfade.compile.routing.tables import MeshRoutes
from crossfade.explain.model import MeshFound

_GRPC = "application/grpc"


def mesh_found(routes: MeshRoutes, sent: Sequence[tuple[str, str]]) -> MeshFound:
    """`sent` are the headers that go upstream, `:path`, `:method` and `:authority` among them."""
    values = _joined(sent)
    host = _host(routes, values.get(":authority", "").lower())
    if host is None:
        return MeshFound(status=404, why="no backend of the virtual node has that Host")
    route = _route(host, values)
    service = str(host.origin.ref) if host.origin is not None else ""
    if route is None:
        return MeshFound(host.name, service, status=404, why="none of its routes matches")
    return _taken(host, service, route, routes.passthrough)


def taken_route(routes: MeshRoutes, sent: Sequence[tuple[str, str]]) -> Route | None:
    """That of `mesh_found`."""
    values = _joined(sent)
    host = _host(routes, values.get(":authority", "").lower())
    return None if host is None else _route(host, values)


def _route(host: VirtualHost, values: Mapping[str, str]) -> Route | None:
    return next((one for one in host.routes if _matches(one.match, values)), None)


def _taken(host: VirtualHost, service: str, route: Route, passthrough: str) -> MeshFound:
    where = (host.name, service, route.name, str(route.origin.ref), route.origin.path)
    if not isinstance(route.action, Forward):
        why = "its mesh lets nothing out to that port" if route.action.status == 502 else route.action.body
        return MeshFound(*where, status=route.action.status, why=why)
    to = tuple((one.cluster, one.weight) for one in route.action.destinations)
    if passthrough and to[0][0] == passthrough:
        return MeshFound(*where, why="it is no virtual service's, and let through to the Service")
    return MeshFound(*where, destinations=to)


def _joined(sent: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Lines of one name as Envoy compares them."""
    found: dict[str, str] = {}
    for name, value in sent:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _host(routes: MeshRoutes, authority: str) -> VirtualHost | None:
    named = (one for one in routes.hosts if authority in map(str.lower, one.domains))
    return next(named, None) or next((one for one in routes.hosts if "*" in one.domains), None)


def _matches(match: RouteMatch, values: Mapping[str, str]) -> bool:
    path, _, query = values.get(":path", "/").partition("?")
    return (
        _path_matches(match, path)
        and (not match.methods or values.get(":method") in match.methods)
        and (match.scheme is None or match.scheme == values.get("x-forwarded-proto"))
        and (not match.is_grpc or values.get("content-type", "").startswith(_GRPC))
        and all(_header_matches(one, values.get(one.name.lower())) for one in match.headers)
        and all(_query_matches(one, dict(parse_qsl(query, keep_blank_values=True))) for one in match.query)
    )


def _path_matches(match: RouteMatch, path: str) -> bool:
    match match.path_kind:
        case PathMatchKind.PREFIX:
            return path.startswith(match.path)
        case PathMatchKind.EXACT:
            return path == match.path
    return _fits_regex(match.path, path)


def _header_matches(match: HeaderMatch, value: str | None) -> bool:
    if value is None:
        return match.inverted
    fits = not match.any_of or any(_value_matches(one, value) for one in match.any_of)
    return fits != match.inverted


def _value_matches(match: StringMatch | RangeMatch, value: str) -> bool:
    if isinstance(match, RangeMatch):
        return re.fullmatch(r"[+-]?\d{1,19}", value) is not None and match.start <= int(value) < match.end
    wanted, value = (match.value.lower(), value.lower()) if match.ignores_case else (match.value, value)
    match match.kind:
        case StringMatchKind.EXACT:
            return value == wanted
        case StringMatchKind.PREFIX:
            return value.startswith(wanted)
        case StringMatchKind.SUFFIX:
            return value.endswith(wanted)
    return _fits_regex(wanted, value)


def _query_matches(match: QueryMatch, given: Mapping[str, str]) -> bool:
    value = given.get(match.name)
    return value is not None and (match.exact is None or value == match.exact)


def _fits_regex(regex: str, text: str) -> bool:
    """RE2's syntax is Python's but for what nobody writes in routes."""
    try:
        return re.fullmatch(regex, text) is not None
    except re.error:
        return False
