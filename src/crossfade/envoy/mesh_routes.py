"""The routes of a mesh inside the gateway's table: found by the Host that goes upstream, then as in a sidecar's own.

Every level says what happens when nothing fits: Envoy would go on with the level above.
"""

from collections.abc import Iterable
from typing import Final

from crossfade.compile.routing.routes import Forward, Route, VirtualHost
from crossfade.compile.routing.tables import MeshRoutes
from crossfade.envoy import names
from crossfade.envoy.filters.order import route_config
from crossfade.envoy.proto import core_v3, duration, matcher_v3, packed, route_v3, xds_core_v3, xds_matcher_v3
from crossfade.envoy.route import route_from_model
from crossfade.envoy.route_matcher import LIST_LIMIT, Leaves, matcher_from_routes
from crossfade.envoy.telemetry.stats_log import TARGET_METADATA

_ANY_HOST: Final = "*"
# What the connection manager of a sidecar has, which a route of its own may only replace.
_SIDECAR_IDLE_S: Final = 300.0
_OWN_HEADERS: Final = (names.ACTION_HEADER, names.CLUSTER_HEADER, names.MESH_HOST_HEADER)


def mesh_matcher(mesh: MeshRoutes) -> xds_matcher_v3.Matcher.OnMatch:
    """Domains are exact, `*.x` or `*`; Envoy's own order: exact ones, then the longest suffix."""
    leaves = Leaves()
    others = next((host for host in mesh.hosts if _ANY_HOST in host.domains), None)
    rest = _not_found() if others is None else _host(others, mesh, leaves)
    named = [host for host in mesh.hosts if host is not others]
    rest = _by_suffix(named, rest, mesh, leaves)
    if not any(_exact(host) for host in named):
        return rest
    found = xds_matcher_v3.Matcher.OnMatch()
    tree = found.matcher.matcher_tree
    tree.input.name = "host"
    tree.input.typed_config.CopyFrom(packed(matcher_v3.HttpRequestHeaderMatchInput(header_name=names.MESH_HOST_HEADER)))
    for host in named:
        on_match = _host(host, mesh, leaves)
        for domain in _exact(host):
            tree.exact_match_map.map[domain.lower()].CopyFrom(on_match)
    found.matcher.on_no_match.CopyFrom(rest)
    return found


def _exact(host: VirtualHost) -> list[str]:
    return [domain for domain in host.domains if not domain.startswith("*")]


def _by_suffix(
    hosts: Iterable[VirtualHost], rest: xds_matcher_v3.Matcher.OnMatch, mesh: MeshRoutes, leaves: Leaves
) -> xds_matcher_v3.Matcher.OnMatch:
    suffixes = [(domain[1:].lower(), host) for host in hosts for domain in host.domains if domain.startswith("*.")]
    if not suffixes:
        return rest
    found = xds_matcher_v3.Matcher.OnMatch()
    for suffix, host in sorted(suffixes, key=lambda item: (-len(item[0]), item[0])):
        matcher = found.matcher.matcher_list.matchers.add()
        predicate = matcher.predicate.single_predicate
        predicate.input.name = "host"
        header = matcher_v3.HttpRequestHeaderMatchInput(header_name=names.MESH_HOST_HEADER)
        predicate.input.typed_config.CopyFrom(packed(header))
        predicate.value_match.suffix = suffix
        matcher.on_match.CopyFrom(_host(host, mesh, leaves))
    found.matcher.on_no_match.CopyFrom(rest)
    return found


def _host(host: VirtualHost, mesh: MeshRoutes, leaves: Leaves) -> xds_matcher_v3.Matcher.OnMatch:
    messages = [_route(route, host.name, mesh) for route in host.routes]
    found = xds_matcher_v3.Matcher.OnMatch()
    if not messages:
        return _not_found()
    if len(messages) <= LIST_LIMIT:
        found.action.CopyFrom(leaves.action(messages))
        return found
    found.matcher.CopyFrom(matcher_from_routes([route.match for route in host.routes], messages, leaves))
    if not found.matcher.HasField("on_no_match"):
        found.matcher.on_no_match.CopyFrom(_not_found())
    return found


def _route(route: Route, service: str, mesh: MeshRoutes) -> route_v3.Route:
    message = route_from_model(route)
    message.name = names.route_name(service, route.name)
    message.metadata.filter_metadata[TARGET_METADATA].fields["service"].string_value = service
    message.request_headers_to_remove.extend(_OWN_HEADERS)
    message.response_headers_to_add.extend(_added(mesh.response_headers))
    for wanted in mesh.filters:
        message.typed_per_filter_config[wanted.name].CopyFrom(route_config(wanted))
    if not isinstance(route.action, Forward):
        return message
    if mesh.passthrough and message.route.cluster == mesh.passthrough:
        message.route.cluster_header = names.CLUSTER_HEADER
    own = _SIDECAR_IDLE_S if route.action.idle_timeout_s is None else route.action.idle_timeout_s
    # 0 is no bound at all.
    most = own if mesh.longest_idle_s is None else mesh.longest_idle_s
    message.route.idle_timeout.CopyFrom(duration(min(own or most, most)))
    return message


def _added(headers: Iterable[tuple[str, str]]) -> Iterable[core_v3.HeaderValueOption]:
    for name, value in headers:
        yield core_v3.HeaderValueOption(
            header=core_v3.HeaderValue(key=name, value=value.replace("%", "%%")),
            append_action=core_v3.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )


def _not_found() -> xds_matcher_v3.Matcher.OnMatch:
    """As a sidecar answers where no virtual service or none of its routes fits."""
    route = route_v3.Route(name="none", match=route_v3.RouteMatch(prefix="/"))
    route.direct_response.status = 404
    found = xds_matcher_v3.Matcher.OnMatch()
    found.action.CopyFrom(xds_core_v3.TypedExtensionConfig(name="none", typed_config=packed(route)))
    return found
