"""Every name that Crossfade gives to a thing inside Envoy, unless the model brings it; dashboards depend on them."""

from typing import Final

ADS_CLUSTER: Final = "crossfade_ads"
ADMIN_CLUSTER: Final = "crossfade_admin"
STATUS_LISTENER: Final = "crossfade_status"

HTTP_CONNECTION_MANAGER: Final = "envoy.filters.network.http_connection_manager"
TCP_PROXY: Final = "envoy.filters.network.tcp_proxy"
ORIGINAL_DST: Final = "envoy.filters.listener.original_dst"
TLS_INSPECTOR: Final = "envoy.filters.listener.tls_inspector"
TLS: Final = "envoy.transport_sockets.tls"
FILE_ACCESS_LOG: Final = "envoy.access_loggers.file"
HTTP_PROTOCOL_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
PREVIOUS_HOSTS: Final = "envoy.retry_host_predicates.previous_hosts"
DNS_CLUSTER: Final = "envoy.clusters.dns"
REQUEST_ID: Final = "envoy.request_id.uuid"

ROUTER_FILTER: Final = "envoy.filters.http.router"
POLICY_CHAIN_FILTER: Final = "policies"
"""The `filter_chain` filter whose content each route brings."""
POLICY_FILTER: Final = "gateway"
"""The policy module's filter within a route's chain; also the name by which the module knows it."""
CONSUMERS_FILTER: Final = "consumers"
"""The policy module's shared table: name of the filter, of its ECDS resource, and within the module."""
POLICY_MODULE: Final = "crossfade_policy"
"""Found as `lib<name>.so` on `ENVOY_DYNAMIC_MODULES_SEARCH_PATH` when no file is named."""
