"""Envoy's own route table of the gateway: an entry for each way to treat a request.

The policy module has chosen the route before, and tells the entry and the cluster when Envoy asks. So neither a new
route nor a new Service changes this table.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from msgspec import structs

from crossfade.compile.routing.retry import MARKS
from crossfade.compile.routing.tables import Action, MeshRoutes
from crossfade.envoy import names
from crossfade.envoy.filters.order import route_config
from crossfade.envoy.filters.policies import action_input, cluster_specifier
from crossfade.envoy.mesh_routes import mesh_matcher
from crossfade.envoy.proto import core_v3, duration, matcher_v3, packed, route_v3, xds_core_v3, xds_matcher_v3
from crossfade.envoy.retry import retry_policy
from crossfade.envoy.settings import EnvoyOptions


def action_table(
    actions: Mapping[str, Action], options: EnvoyOptions, mesh: Mapping[str, MeshRoutes] = MappingProxyType({})
) -> route_v3.RouteConfiguration:
    """What has no known action is refused: the module's filter has answered such a request before."""
    host = route_v3.VirtualHost(name=names.GATEWAY_ROUTES, domains=["*"])
    rest = _in_mesh(mesh)
    if actions:
        tree = host.matcher.matcher_tree
        tree.input.CopyFrom(action_input(options))
        for name, action in sorted(actions.items()):
            for key, treatment in _twins(name, action):
                tree.exact_match_map.map[key].action.CopyFrom(_entry(key, _route(key, treatment)))
    host.matcher.on_no_match.CopyFrom(rest)
    return route_v3.RouteConfiguration(
        name=names.GATEWAY_ROUTES, virtual_hosts=[host], cluster_specifier_plugins=[cluster_specifier(options)]
    )


def _in_mesh(mesh: Mapping[str, MeshRoutes]) -> xds_matcher_v3.Matcher.OnMatch:
    """The module asks once more, by headers, when a request for a mesh is as it goes upstream."""
    refused = route_v3.Route(name="none", match=route_v3.RouteMatch(prefix="/"))
    refused.direct_response.status = 503
    none = xds_matcher_v3.Matcher.OnMatch(action=_entry("none", refused))
    if not mesh:
        # An empty map is no map to Envoy.
        return none
    found = xds_matcher_v3.Matcher.OnMatch()
    tree = found.matcher.matcher_tree
    tree.input.name = "action"
    tree.input.typed_config.CopyFrom(packed(matcher_v3.HttpRequestHeaderMatchInput(header_name=names.ACTION_HEADER)))
    for name, routes in sorted(mesh.items()):
        tree.exact_match_map.map[name].CopyFrom(mesh_matcher(routes))
    found.matcher.on_no_match.CopyFrom(none)
    return found


def _twins(name: str, action: Action) -> Iterator[tuple[str, Action]]:
    """The action as it is, and as the module asks for it by what it knows of a request."""
    ways = {name: action}
    if (retry := action.retry) is not None:
        again = structs.replace(retry, retry_on=(*retry.retry_on, "reset"), marks=MARKS)
        ways[name + names.AGAIN] = structs.replace(action, retry=again)
    for key, way in ways.items():
        yield key, way
        yield key + names.NAMELESS, structs.replace(way, takes_host_of_endpoint=True)


def _entry(name: str, route: route_v3.Route) -> xds_core_v3.TypedExtensionConfig:
    return xds_core_v3.TypedExtensionConfig(name=name, typed_config=packed(route))


def _route(name: str, action: Action) -> route_v3.Route:
    message = route_v3.Route(name=name, match=route_v3.RouteMatch(prefix="/"))
    message.route.cluster_specifier_plugin = names.CLUSTER_SPECIFIER
    message.route.timeout.CopyFrom(duration(0))
    # Costs nothing where a cluster is not balanced by hashes.
    message.route.hash_policy.add().filter_state.key = names.HASH_KEY
    if action.idle_timeout_s is not None:
        message.route.idle_timeout.CopyFrom(duration(action.idle_timeout_s))
    if action.takes_host_of_endpoint:
        message.route.auto_host_rewrite.value = True
    if action.retry is not None:
        message.route.retry_policy.CopyFrom(retry_policy(action.retry))
    for wanted in action.filters:
        message.typed_per_filter_config[wanted.name].CopyFrom(route_config(wanted))
    for header, value in action.response_headers:
        message.response_headers_to_add.add(
            header=core_v3.HeaderValue(key=header, value=value.replace("%", "%%")),
            append_action=core_v3.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
    return message
