"""How Services that are reached by name are looked up, as Kong's `dns_*` say."""

from msgspec.structs import replace

from crossfade.compile.model import Cluster, Discovery, IpFamily
from crossfade.kong_conf.settings import KongSettings


def looked_up(cluster: Cluster, kong: KongSettings) -> Cluster:
    """The very cluster where the settings are the usual ones, or nothing is looked up."""
    if cluster.discovery is not Discovery.STRICT_DNS:
        return cluster
    if (kong.dns_order, kong.dns_valid_ttl, kong.dns_error_ttl) == (None, None, None):
        return cluster
    return replace(
        cluster,
        ip_family=cluster.ip_family if kong.dns_order is None else _family(kong.dns_order),
        dns_refresh_s=kong.dns_valid_ttl,
        dns_retry_s=kong.dns_error_ttl,
    )


def _family(order: tuple[str, ...]) -> IpFamily:
    """A records stay a second choice where only AAAA comes first; without AAAA they are the first, as always."""
    if "A" not in order:
        return IpFamily.V6
    return IpFamily.ANY if "AAAA" in order and order.index("AAAA") < order.index("A") else IpFamily.V4_FIRST
