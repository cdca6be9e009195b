"""The one list of HTTP filters per dialect, in the order in which requests pass them."""

from crossfade.compile.model import Dialect
from crossfade.envoy.filters.policies import consumers_filter, policy_chain_filter
from crossfade.envoy.filters.router import router_filter
from crossfade.envoy.proto import hcm_v3


def http_filters(dialect: Dialect, *, has_consumers: bool) -> list[hcm_v3.HttpFilter]:
    """App Mesh had the router only (appmesh.md §3.1)."""
    if dialect is Dialect.APP_MESH:
        return [router_filter(suppresses_envoy_headers=False)]
    consumers = [consumers_filter()] if has_consumers else []
    return [*consumers, policy_chain_filter(), router_filter(suppresses_envoy_headers=True)]
