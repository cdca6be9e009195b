"""Clusters: discovery, protocol, limits, health."""

from typing import Final

from msgspec.structs import asdict

from crossfade.compile.model import (
    CircuitBreakers,
    Cluster,
    Discovery,
    IpFamily,
    Protocol,
)
from crossfade.envoy import names
from crossfade.envoy.balancing import fill_balancing
from crossfade.envoy.carried import fill_carried_upstream
from crossfade.envoy.endpoint import load_assignment
from crossfade.envoy.header_case import fill_header_case
from crossfade.envoy.health import fill_failing_statuses, fill_health
from crossfade.envoy.mesh_tls import upstream
from crossfade.envoy.name_cache import name_cache
from crossfade.envoy.proto import (
    UInt32Value,
    cluster_v3,
    dfp_cluster_v3,
    dns_cluster_v3,
    duration,
    packed,
    upstream_http_v3,
)
from crossfade.envoy.sources import ads
from crossfade.envoy.telemetry.stats_log import TARGET_METADATA
from crossfade.envoy.tls import client_tls

# Names follow a Service within seconds; cluster DNS answers locally, so asking often costs nothing.
DNS_REFRESH_S: Final = 5.0
# A name that does not exist yet usually exists soon: pods and their Services start at the same time.
DNS_RETRY_S: Final = (0.25, 2.0)
DNS_FAMILY: Final = {IpFamily.V4: 2, IpFamily.V6: 3, IpFamily.V4_FIRST: 4}
"""`envoy.extensions.clusters.common.dns.v3.DnsLookupFamily`."""
DNS_AUTO, DNS_ALL = 1, 5


def cluster_from_model(cluster: Cluster) -> cluster_v3.Cluster:
    message = cluster_v3.Cluster(name=cluster.name, connect_timeout=duration(cluster.connect_timeout_s))
    _fill_discovery(message, cluster)
    message.circuit_breakers.thresholds.append(_thresholds(cluster.circuit_breakers))
    if cluster.protocol is not Protocol.TCP:
        message.typed_extension_protocol_options[names.HTTP_PROTOCOL_OPTIONS].CopyFrom(packed(_http_options(cluster)))
    if cluster.tls is not None:
        message.transport_socket.CopyFrom(client_tls(cluster.tls, cluster.protocol))
    if cluster.mesh_tls is not None:
        message.transport_socket.CopyFrom(upstream(cluster.mesh_tls, cluster.protocol))
    if cluster.reaches is not None:
        fields = message.metadata.filter_metadata[TARGET_METADATA].fields
        for key, text in asdict(cluster.reaches).items():
            fields[key].string_value = text
    fill_balancing(message, cluster.balancing)
    fill_health(message, cluster)
    return message


def _fill_discovery(message: cluster_v3.Cluster, cluster: Cluster) -> None:
    match cluster.discovery:
        case Discovery.STATIC:
            message.type = cluster_v3.Cluster.STATIC
            message.load_assignment.CopyFrom(
                load_assignment(cluster.name, cluster.endpoints, are_probed=cluster.are_probed)
            )
        case Discovery.EDS:
            message.type = cluster_v3.Cluster.EDS
            message.eds_cluster_config.eds_config.CopyFrom(ads())
            if cluster.is_carried:
                message.eds_cluster_config.service_name = cluster.endpoints_name
            # Kubernetes knows better than probes that an endpoint is gone.
            message.ignore_health_on_host_removal = cluster.health_check is not None
        case Discovery.ORIGINAL_DST:
            message.type = cluster_v3.Cluster.ORIGINAL_DST
            message.lb_policy = cluster_v3.Cluster.CLUSTER_PROVIDED
        case Discovery.BY_NAME:
            message.cluster_type.name = names.BY_NAME_CLUSTER
            # TLS passes through; the cluster itself speaks none that it would have to check names by.
            by_name = dfp_cluster_v3.ClusterConfig(dns_cache_config=name_cache(), allow_insecure_cluster_options=True)
            message.cluster_type.typed_config.CopyFrom(packed(by_name))
            message.lb_policy = cluster_v3.Cluster.CLUSTER_PROVIDED
        case Discovery.LOGICAL_DNS | Discovery.STRICT_DNS:
            message.cluster_type.name = names.DNS_CLUSTER
            message.cluster_type.typed_config.CopyFrom(packed(_dns(cluster)))
            message.load_assignment.CopyFrom(
                load_assignment(cluster.name, cluster.endpoints, are_probed=cluster.are_probed)
            )


def _dns(cluster: Cluster) -> dns_cluster_v3.DnsCluster:
    """The pod's resolv.conf decides about search domains; a name with a trailing dot is taken as it is."""
    first, longest = DNS_RETRY_S if cluster.dns_retry_s is None else (cluster.dns_retry_s, cluster.dns_retry_s)
    is_logical = cluster.discovery is Discovery.LOGICAL_DNS
    # Of a logical host all addresses are tried (IPv6 first); as hosts of their own both families would count double.
    any_family = DNS_ALL if is_logical else DNS_AUTO
    return dns_cluster_v3.DnsCluster(
        dns_refresh_rate=duration(DNS_REFRESH_S if cluster.dns_refresh_s is None else cluster.dns_refresh_s),
        dns_failure_refresh_rate=dns_cluster_v3.DnsCluster.RefreshRate(
            base_interval=duration(first), max_interval=duration(longest)
        ),
        dns_lookup_family=DNS_FAMILY.get(cluster.ip_family, any_family),
        all_addresses_in_single_endpoint=is_logical,
    )


def _thresholds(limits: CircuitBreakers) -> cluster_v3.CircuitBreakers.Thresholds:
    return cluster_v3.CircuitBreakers.Thresholds(
        max_connections=UInt32Value(value=limits.max_connections),
        max_pending_requests=UInt32Value(value=limits.max_pending_requests),
        max_requests=UInt32Value(value=limits.max_requests),
        max_retries=UInt32Value(value=limits.max_retries),
    )


def _http_options(cluster: Cluster) -> upstream_http_v3.HttpProtocolOptions:
    message = upstream_http_v3.HttpProtocolOptions()
    if cluster.is_carried:
        fill_carried_upstream(message)
    elif cluster.protocol is Protocol.HTTP1:
        options = message.explicit_http_config.http_protocol_options
        options.SetInParent()
        fill_header_case(options.header_key_format, cluster.header_case)
    else:
        message.explicit_http_config.http2_protocol_options.SetInParent()
    if cluster.tls is not None and cluster.tls.server_name is None:
        message.upstream_http_protocol_options.auto_sni = True
        message.upstream_http_protocol_options.auto_san_validation = cluster.tls.verifies
    fill_failing_statuses(message, cluster.outlier_detection)
    if cluster.idle_timeout_s is not None:
        message.common_http_protocol_options.idle_timeout.CopyFrom(duration(cluster.idle_timeout_s))
    if cluster.max_requests_per_connection is not None:
        message.common_http_protocol_options.max_requests_per_connection.value = cluster.max_requests_per_connection
    return message
