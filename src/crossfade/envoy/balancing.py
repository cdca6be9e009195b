"""Which endpoint of a cluster takes a request."""

from typing import Final

from crossfade.compile.model import Algorithm, Balancing
from crossfade.envoy import names
from crossfade.envoy.proto import UInt64Value, cluster_v3, least_request_v3, packed

_LARGEST_RING: Final = 8 * 1024 * 1024


def fill_balancing(message: cluster_v3.Cluster, balancing: Balancing) -> None:
    _fill_health_threshold(message, balancing)
    match balancing.algorithm:
        case Algorithm.BETTER_OF_TWO:
            message.lb_policy = cluster_v3.Cluster.LEAST_REQUEST
        case Algorithm.RING_HASH:
            message.lb_policy = cluster_v3.Cluster.RING_HASH
            if balancing.ring_size is not None:
                message.ring_hash_lb_config.minimum_ring_size.CopyFrom(UInt64Value(value=balancing.ring_size))
            message.ring_hash_lb_config.maximum_ring_size.CopyFrom(UInt64Value(value=_LARGEST_RING))
        case Algorithm.LEAST_REQUEST:
            _fill_full_scan(message, balancing)


def _fill_full_scan(message: cluster_v3.Cluster, balancing: Balancing) -> None:
    """The cluster's own fields know no full scan, and what is said here must not be said there."""
    policy = least_request_v3.LeastRequest(selection_method=least_request_v3.LeastRequest.FULL_SCAN)
    if balancing.least_healthy_percent:
        policy.locality_lb_config.zone_aware_lb_config.fail_traffic_on_panic = True
    message.load_balancing_policy.policies.add().typed_extension_config.name = names.LEAST_REQUEST
    message.load_balancing_policy.policies[0].typed_extension_config.typed_config.CopyFrom(packed(policy))


def _fill_health_threshold(message: cluster_v3.Cluster, balancing: Balancing) -> None:
    percent = balancing.least_healthy_percent
    if percent is None:
        return
    # A ring knows only to send to unhealthy endpoints too where few are healthy, or never to.
    is_ring = balancing.algorithm is Algorithm.RING_HASH
    message.common_lb_config.healthy_panic_threshold.value = 0 if is_ring else percent
    if percent and balancing.algorithm not in (Algorithm.RING_HASH, Algorithm.LEAST_REQUEST):
        message.common_lb_config.zone_aware_lb_config.fail_traffic_on_panic = True
