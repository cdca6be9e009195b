"""Clusters of a bootstrap: one endpoint, known by address or by name. Only the standard library."""

import ipaddress
from typing import Any, Final

Json = dict[str, Any]

TYPE: Final = "type.googleapis.com/"


def address(host: str, port: int) -> Json:
    return {"socket_address": {"address": host, "port_value": port}}


def assignment(cluster: str, host: str, port: int) -> Json:
    endpoint = {"endpoint": {"address": address(host, port)}}
    return {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]}


def discovery(host: str) -> Json:
    """A name is asked for quickly until it is there: at start its Service and the proxy come up together."""
    if is_ip(host):
        return {"type": "STATIC"}
    config = {
        "@type": TYPE + "envoy.extensions.clusters.dns.v3.DnsCluster",
        "dns_lookup_family": "ALL",
        "all_addresses_in_single_endpoint": True,
        "dns_refresh_rate": "5s",
        "dns_failure_refresh_rate": {"base_interval": "0.1s", "max_interval": "1s"},
    }
    return {"cluster_type": {"name": "envoy.clusters.dns", "typed_config": config}}


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
