"""What admission refuses in GatewayRoutes (appmesh.md §2.4); the texts are the ones users know."""

from collections.abc import Iterable

from crossfade.admission.review import Denied
from crossfade.api.appmesh import GatewayRoute
from crossfade.api.appmesh.gateway_route import (
    GrpcGatewayRoute,
    HostnameMatch,
    HttpGatewayRoute,
    HttpMatch,
    Rewrite,
)
from crossfade.api.appmesh.values import HeaderMatch, QueryParameter, ValueMatch
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import decode

_EMPTY_MATCH = (
    "Missing Match criteria for one or more {what} match block, don't specify match block if you dont need it"
)


def check_gateway_route(obj: JsonObject) -> None:
    """Raises Denied, or DecodeError for what no schema would have let through."""
    spec = decode(obj, GatewayRoute).spec
    given = [route for route in (spec.grpc_route, spec.http_route, spec.http2_route) if route is not None]
    if not given:
        raise Denied("Missing GatewayRoute Type in GatewayRoute Spec")
    if len(given) > 1:
        raise Denied("Found multiple types in GatewayRoute Spec. Only 1 (GRPC/HTTP/HTTP2) allowed")
    route = given[0]
    if isinstance(route, GrpcGatewayRoute):
        _check_grpc(route)
    else:
        _check_http(route)


def _check_http(route: HttpGatewayRoute) -> None:
    match = route.match
    if match.prefix is None and match.path is None and match.hostname is None:
        raise Denied("Either prefix or path or hostname must be specified")
    if match.prefix is not None and match.path is not None:
        raise Denied("Both prefix and path cannot be specified. Only 1 allowed")
    _check_hostname(match.hostname)
    _check_headers(match.headers, "header")
    _check_query(match.query_parameters)
    if route.action.rewrite is not None:
        _check_rewrite(route.action.rewrite, match)


def _check_grpc(route: GrpcGatewayRoute) -> None:
    if route.match.service_name is None and route.match.hostname is None:
        raise Denied("Either servicename or hostname must be specified")
    _check_hostname(route.match.hostname)
    _check_headers(route.match.metadata, "metadata")


def _check_hostname(hostname: HostnameMatch | None) -> None:
    if hostname is None:
        return
    if hostname.exact is None and hostname.suffix is None:
        raise Denied("Either exact or suffix match for hostname must be specified")
    if hostname.exact is not None and hostname.suffix is not None:
        raise Denied("Both exact and suffix match for hostname are not allowed. Only one must be specified")


def _check_headers(headers: Iterable[HeaderMatch], what: str) -> None:
    for header in headers:
        if header.match is not None:
            _check_value(header.match, what)


def _check_value(match: ValueMatch, what: str) -> None:
    given = [
        value for value in (match.exact, match.prefix, match.suffix, match.regex, match.range) if value is not None
    ]
    if len(given) > 1:
        raise Denied(f"Too many Match Filters specified, only 1 allowed per {what}")
    if not given:
        raise Denied(_EMPTY_MATCH.format(what=what))
    if match.range is not None and match.range.end <= match.range.start:
        raise Denied("Invalid Match Range specified, end has to be greater than start")


def _check_query(parameters: Iterable[QueryParameter]) -> None:
    if any(parameter.match is not None and parameter.match.exact is None for parameter in parameters):
        raise Denied(_EMPTY_MATCH.format(what="exact query"))


def _check_rewrite(rewrite: Rewrite, match: HttpMatch) -> None:
    if rewrite.prefix is None and rewrite.path is None and rewrite.hostname is None:
        raise Denied("Either prefix, path or hostname for rewrite must be specified")
    if rewrite.prefix is not None and rewrite.path is not None:
        raise Denied("Both prefix and path for rewrites cannot be specified. Only 1 allowed")
    if rewrite.prefix is None:
        return
    if match.prefix is not None and not match.prefix.startswith("/"):
        raise Denied("Prefix to be matched on must start with '/'")
    if rewrite.prefix.default_prefix is not None and rewrite.prefix.value is not None:
        raise Denied("Cannot specify both defaultPrefix and prefix for rewrite, only 1 allowed")
    value = rewrite.prefix.value
    if value is not None and not (value.startswith("/") and value.endswith("/")):
        raise Denied("New Rewrite Prefix must start and end with '/'")
