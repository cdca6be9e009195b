"""The terminal filter."""

from crossfade.envoy import names
from crossfade.envoy.proto import hcm_v3, packed, router_v3


def router_filter(*, suppresses_envoy_headers: bool, counts_statuses: bool = False) -> hcm_v3.HttpFilter:
    """`suppresses_envoy_headers` keeps `x-envoy-*` out of what upstreams and clients see."""
    router = router_v3.Router(suppress_envoy_headers=suppresses_envoy_headers)
    router.dynamic_stats.value = counts_statuses
    return hcm_v3.HttpFilter(name=names.ROUTER_FILTER, typed_config=packed(router))
