"""Every name that Crossfade gives to a thing inside Envoy, unless the model brings it; dashboards depend on them."""

from typing import Final

ADS_CLUSTER: Final = "crossfade_ads"
ADMIN_CLUSTER: Final = "crossfade_admin"
STATUS_LISTENER: Final = "crossfade_status"
TRIAL_LISTENER: Final = "crossfade_trial"
"""Carries what Envoy is only asked about."""

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
FILE_ACCESS_LOG: Final = "envoy.access_loggers.file"
HTTP_PROTOCOL_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
PREVIOUS_HOSTS: Final = "envoy.retry_host_predicates.previous_hosts"
DNS_CLUSTER: Final = "envoy.clusters.dns"
REQUEST_ID: Final = "envoy.request_id.uuid"

ROUTER_FILTER: Final = "envoy.filters.http.router"
POLICY_FILTER: Final = "gateway"
"""The policy module's filter; also the name by which the module knows it."""
INCOMING_MUTATION: Final = "incoming"
"""The policy module's choice of a route before Envoy's own."""
POLICY_MODULE: Final = "crossfade_policy"
"""Found as `lib<name>.so` on `ENVOY_DYNAMIC_MODULES_SEARCH_PATH` when no file is named."""
GATEWAY_ROUTES: Final = "gateway"
"""The gateway's route table, which all of its listeners share."""
TABLES_LISTENER: Final = "gateway_tables"
"""Binds no port; its filters are what the policy module's tables come by."""
ROOT_TABLE: Final = "gateway-root"
# Set by the policy module for each request; a client's own never get through.
ACTION_HEADER: Final = "x-crossfade-action"
CLUSTER_HEADER: Final = "x-crossfade-cluster"
HASH_KEY: Final = "envoy.hashable_string"
"""Filter state, which clients cannot reach: what the policy module hashes a request by. The name makes it hashable."""


def shard_name(number: int) -> str:
    return f"gateway-shard-{number:03}"
