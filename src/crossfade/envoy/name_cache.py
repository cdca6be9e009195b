"""What Envoy remembers of names that requests bring: one cache, which cluster and filters name alike."""

from typing import Final

from crossfade.envoy.proto import UInt32Value, dfp_common_v3, duration

_NAME: Final = "egress"
_TTL_S: Final = 300
# More names at a time are refused, so that clients cannot fill the memory.
_MOST_HOSTS: Final = 1024
_ALL_FAMILIES: Final = 4
"""`envoy.config.cluster.v3.Cluster.DnsLookupFamily.ALL`."""


def name_cache() -> dfp_common_v3.DnsCacheConfig:
    return dfp_common_v3.DnsCacheConfig(
        name=_NAME,
        dns_lookup_family=_ALL_FAMILIES,
        host_ttl=duration(_TTL_S),
        max_hosts=UInt32Value(value=_MOST_HOSTS),
    )
