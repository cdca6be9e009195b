"""How long connections to Services are kept, as Kong's `upstream_keepalive_*` say."""

from typing import Final

from msgspec.structs import replace

from crossfade.compile.model import Cluster
from crossfade.kong_conf.settings import KongSettings

_USUAL: Final = KongSettings()


def kept_alive(cluster: Cluster, kong: KongSettings) -> Cluster:
    """The very cluster where the settings are the usual ones."""
    most = 1 if kong.upstream_keepalive_pool_size == 0 else kong.upstream_keepalive_max_requests
    idle_s = kong.upstream_keepalive_idle_timeout
    if most == 0 and idle_s == _USUAL.upstream_keepalive_idle_timeout:
        return cluster
    return replace(cluster, max_requests_per_connection=most or None, idle_timeout_s=float(idle_s))
