"""Endpoints of a cluster, for EDS or within the cluster."""

from collections.abc import Iterable
from itertools import groupby

from crossfade.compile.model import Endpoint
from crossfade.envoy.proto import UInt32Value, core_v3, endpoint_v3


def load_assignment(
    cluster: str, endpoints: Iterable[Endpoint], *, are_probed: bool = False, own_zone: str = ""
) -> endpoint_v3.ClusterLoadAssignment:
    """An endpoint of weight 0 is left out: Envoy has no such thing. Where they are probed they are called by name.

    Endpoints of `own_zone` come first, others when too few of these are healthy.
    """
    message = endpoint_v3.ClusterLoadAssignment(cluster_name=cluster)
    picked = sorted(endpoint for endpoint in endpoints if endpoint.weight > 0)
    # Envoy takes no priority that has none before it.
    others = 1 if any(endpoint.zone == own_zone for endpoint in picked if own_zone) else 0
    for zone, found in groupby(sorted(picked, key=_zone), key=_zone):
        locality = message.endpoints.add(lb_endpoints=[_lb_endpoint(endpoint, are_probed) for endpoint in found])
        if zone:
            locality.locality.zone = zone
        locality.priority = 0 if zone == own_zone else others
    return message


def _zone(endpoint: Endpoint) -> str:
    return endpoint.zone


def _lb_endpoint(endpoint: Endpoint, is_probed: bool) -> endpoint_v3.LbEndpoint:
    target = endpoint_v3.Endpoint(address=address(endpoint.address, endpoint.port), hostname=endpoint.hostname)
    if is_probed and endpoint.hostname:
        target.health_check_config.hostname = endpoint.hostname
    return endpoint_v3.LbEndpoint(endpoint=target, load_balancing_weight=UInt32Value(value=endpoint.weight))


def address(host: str, port: int, *, is_udp: bool = False) -> core_v3.Address:
    found = core_v3.Address(socket_address=core_v3.SocketAddress(address=host, port_value=port))
    if is_udp:
        found.socket_address.protocol = core_v3.SocketAddress.UDP
    return found
