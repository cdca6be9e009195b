"""The one list of HTTP filters per dialect, in the order in which requests pass them."""

from typing import Final

from crossfade.compile.model import Dialect, HttpHandler
from crossfade.compile.policies.plugin import EnvoyFilter
from crossfade.envoy.filters.asked import asked_filters
from crossfade.envoy.filters.filter import Filter
from crossfade.envoy.filters.grpc_web import FILTER as GRPC_WEB
from crossfade.envoy.filters.policies import gateway_filter
from crossfade.envoy.filters.router import router_filter
from crossfade.envoy.proto import Any, hcm_v3, packed, route_v3
from crossfade.envoy.settings import EnvoyOptions

# Behind the policy module: what it refuses reaches none of them. By descending priority of the plugins.
FILTERS: Final[tuple[Filter, ...]] = (GRPC_WEB,)
_BY_NAME: Final = {one.name: one for one in FILTERS}


def http_filters(handler: HttpHandler, options: EnvoyOptions) -> list[hcm_v3.HttpFilter]:
    """App Mesh had the router only (appmesh.md §3.1); what the handler asks for is more, in its dialect."""
    counts = handler.telemetry.counts_statuses
    if handler.dialect is Dialect.APP_MESH:
        return [
            *asked_filters(handler.filters),
            router_filter(suppresses_envoy_headers=False, counts_statuses=counts),
        ]
    optional = [
        hcm_v3.HttpFilter(name=one.name, typed_config=packed(one.on_listener()), disabled=True) for one in FILTERS
    ]
    return [gateway_filter(options), *optional, router_filter(suppresses_envoy_headers=True, counts_statuses=counts)]


def route_config(wanted: EnvoyFilter) -> Any:
    """A route's own configuration of a filter, which enables it there. KeyError if there is no such filter."""
    config = _BY_NAME[wanted.name].on_route(wanted.config)
    return packed(route_v3.FilterConfig(config=Any() if config is None else packed(config)))
