"""The settings of Kong that have an effect here, typed; each field has the name of its setting."""

from typing import Final, NamedTuple

from crossfade.kong_conf.listen import Listen

HEADERS: Final = ("server_tokens", "latency_tokens", "X-Kong-Request-Id")
HEADERS_UPSTREAM: Final = ("X-Kong-Request-Id",)
EVERYWHERE: Final = (Listen("0.0.0.0", 8000), Listen("0.0.0.0", 8443, ssl=True, http2=True))
PROXY_PROTOCOL: Final = "proxy_protocol"


class KongSettings(NamedTuple):
    """Kong's defaults. `port_maps` are pairs of a listening port and the one that clients know.

    `nginx_worker_processes` 0 stands for one a processor. `log_level` is Envoy's word; None leaves it to the command.
    """

    proxy_listen: tuple[Listen, ...] = EVERYWHERE
    trusted_ips: tuple[str, ...] = ()
    real_ip_header: str = "X-Real-IP"
    real_ip_recursive: bool = False
    headers: tuple[str, ...] = HEADERS
    headers_upstream: tuple[str, ...] = HEADERS_UPSTREAM
    port_maps: tuple[tuple[int, int], ...] = ()
    nginx_worker_processes: int = 0
    log_level: str | None = None
    vault_env_prefix: str = ""
