"""Every name that Crossfade gives to a thing inside Envoy, unless the model brings it; dashboards depend on them."""

from typing import Final

METRICS_CLUSTER: Final = "crossfade_metrics"
METRICS_LISTENER: Final = "gateway_metrics"
"""Where the policy module shows what it has counted."""
METRICS_FILTER: Final = "metrics"
"""The policy module's name for what answers there."""
ADS_CLUSTER: Final = "crossfade_ads"
ADMIN_CLUSTER: Final = "crossfade_admin"
SDS_CLUSTER: Final = "crossfade_sds"
"""An agent on the proxy's machine that gives it certificates."""
IDENTITIES_CLUSTER: Final = "crossfade_mesh_identities"
"""The mesh's control plane, of a proxy that has its configuration from another one."""
STATUS_LISTENER: Final = "crossfade_status"
TRIAL_LISTENER: Final = "crossfade_trial"
"""Carries what Envoy is only asked about."""
TOLD_SETTINGS: Final = "kong"
"""Of a node's metadata: the settings that the proxy has in its own environment, texts by name."""
PROXY_FEATURES: Final = "crossfade"
"""Of a node's metadata: what the proxy itself brings along, true by name."""
COUNTS_MODULE: Final = "crossfade_counts"
OPEN_CONNECTIONS: Final = "crossfade_open_connections"
"""Of a proxy: its library counts connections that are open too, and its environment asks for that."""
MODULE_NETWORK_FILTER: Final = "envoy.filters.network.dynamic_modules"
"""The library that counts a mesh's requests, found as `POLICY_MODULE` is; also the cluster that gives it its series."""

HTTP_CONNECTION_MANAGER: Final = "envoy.filters.network.http_connection_manager"
TCP_PROXY: Final = "envoy.filters.network.tcp_proxy"
PROXY_PROTOCOL: Final = "envoy.filters.listener.proxy_protocol"
ORIGINAL_DST: Final = "envoy.filters.listener.original_dst"
UDP_PROXY: Final = "envoy.filters.udp_listener.udp_proxy"
UDP_ROUTE: Final = "route"
TLS_INSPECTOR: Final = "envoy.filters.listener.tls_inspector"
TLS: Final = "envoy.transport_sockets.tls"
RAW_BUFFER: Final = "envoy.transport_sockets.raw_buffer"
LEAST_REQUEST: Final = "envoy.load_balancing_policies.least_request"
STDOUT_ACCESS_LOG: Final = "envoy.access_loggers.stdout"
STDERR_ACCESS_LOG: Final = "envoy.access_loggers.stderr"
STATS_ACCESS_LOG: Final = "envoy.access_loggers.stats"
MODULE_ACCESS_LOG: Final = "envoy.access_loggers.dynamic_modules"
RECORDS_ACCESS_LOG: Final = "envoy.access_loggers.open_telemetry"
RATE_LIMITED_LOG: Final = "envoy.access_loggers.extension_filters.process_ratelimit"
FILE_ACCESS_LOG: Final = "envoy.access_loggers.file"
HTTP_PROTOCOL_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
PREVIOUS_HOSTS: Final = "envoy.retry_host_predicates.previous_hosts"
BY_NAME_CLUSTER: Final = "envoy.clusters.dynamic_forward_proxy"
BY_NAME_FILTER: Final = "envoy.filters.http.dynamic_forward_proxy"
BY_SERVER_NAME: Final = "envoy.filters.network.sni_dynamic_forward_proxy"
DNS_CLUSTER: Final = "envoy.clusters.dns"
REQUEST_ID: Final = "envoy.request_id.uuid"

RATE_LIMIT_FILTER: Final = "envoy.filters.http.local_ratelimit"
BUFFER_FILTER: Final = "envoy.filters.http.buffer"
PRESERVE_CASE: Final = "envoy.http.stateful_header_formatters.preserve_case"
ROUTER_FILTER: Final = "envoy.filters.http.router"
POLICY_FILTER: Final = "gateway"
"""The policy module's filter; also the name by which the module knows it."""
INCOMING_MUTATION: Final = "incoming"
"""The policy module's choice of a route before Envoy's own."""
SESSION_LOG: Final = "session"
"""The policy module's name for what hears of the ends of streams' sessions."""
POLICY_MODULE: Final = "crossfade_policy"
"""Found as `lib<name>.so` on `ENVOY_DYNAMIC_MODULES_SEARCH_PATH` when no file is named."""
GATEWAY_ROUTES: Final = "gateway"
"""The gateway's route table, which all of its listeners share."""
TABLES_LISTENER: Final = "gateway_tables"
"""Binds no port; its filters are what the policy module's tables come by."""
ROOT_TABLE: Final = "gateway-root"
CACHED_LISTENER: Final = "gateway_cached"
"""By which the control plane sees and purges what proxy-cache keeps."""
CACHED_FILTER: Final = "cached"
"""The policy module's name for what answers there."""
ACTION_INPUT: Final = "action"
CLUSTER_SPECIFIER: Final = "cluster"
"""The policy module's names for what it has chosen: the entry of the gateway's table, and the cluster."""
# Set by the policy module for requests that go into a mesh; a client's own never get through.
ACTION_HEADER: Final = "x-crossfade-action"
NAMELESS: Final = "~"
"""Ends the name of an action for requests without a Host; the policy module asks for it."""
AGAIN: Final = "+"
"""Stands before it, or at the end, for requests that may be sent once more though an upstream may have seen them."""
CLUSTER_HEADER: Final = "x-crossfade-cluster"
MESH_HOST_HEADER: Final = "x-crossfade-mesh-host"
"""Of a request that goes into a mesh: its Host, in lower case."""
MESH_NOTE: Final = ("crossfade", "mesh")
"""Namespace and key of what the policy module notes for such a request."""
RECORD_NOTE: Final = ("crossfade", "record")
"""The same of what the policy module knows of a request, where a record of it may be taken."""
HASH_KEY: Final = "envoy.hashable_string"
"""Filter state, which clients cannot reach: what the policy module hashes a request by. The name makes it hashable."""


SERVICE_END: Final = "/"
"""Behind the service in the name of a mesh's route; no service has one in its name."""


def route_name(service: str, name: str) -> str:
    """The library that counts requests sees no more of a route than its name."""
    return f"{service}{SERVICE_END}{name}"


def name_within(route: str) -> str:
    """Of the route alone, as its object has it."""
    return route.partition(SERVICE_END)[2] or route


def metrics_socket(admin_port: int) -> str:
    """Of `METRICS_LISTENER`, in Linux' abstract namespace. Proxies of one network have admin ports of their own."""
    return f"crossfade-metrics-{admin_port}"


def shard_name(number: int) -> str:
    return f"gateway-shard-{number:03}"
