"""The one table of Kong's settings that have an effect here."""

from collections.abc import Callable
from typing import Final, NamedTuple

from crossfade.kong_conf import values
from crossfade.kong_conf.listen import listens
from crossfade.kong_conf.settings import PROXY_PROTOCOL

MOST_WORKERS: Final = 1024
_HEADERS: Final = (
    "server_tokens",
    "latency_tokens",
    "Server",
    "Via",
    "X-Kong-Proxy-Latency",
    "X-Kong-Response-Latency",
    "X-Kong-Upstream-Latency",
    "X-Kong-Admin-Latency",
    "X-Kong-Upstream-Status",
    "X-Kong-Request-Id",
)
# Envoy's levels for Kong's.
_LOG_LEVELS: Final = {
    "debug": "debug",
    "info": "info",
    "notice": "info",
    "warn": "warning",
    "error": "error",
    "crit": "critical",
    "alert": "critical",
    "emerg": "critical",
}


class Setting(NamedTuple):
    """`read` raises ValueError with what is allowed; `default` is Kong's, as text; `effect` is for the reference."""

    name: str
    read: Callable[[str], object]
    default: str
    effect: str
    is_secret: bool = False


def _workers(text: str) -> int:
    return 0 if text == "auto" else values.number(1, MOST_WORKERS)(text)


def _real_ip_header(text: str) -> str:
    return PROXY_PROTOCOL if text.lower() == PROXY_PROTOCOL else values.header_name(text)


TABLE: Final = (
    Setting(
        "proxy_listen",
        listens,
        "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
        "A listener for each address. `ssl`, `http2`, `proxy_protocol` (versions 1 and 2), `backlog` and `ipv6only` "
        "are carried out; Envoy always does what `reuseport` asks; `deferred`, `bind`, `so_keepalive` have no effect.",
    ),
    Setting("trusted_ips", values.networks, "", "Addresses and networks whose `X-Forwarded-*` headers are believed."),
    Setting(
        "real_ip_header",
        _real_ip_header,
        "X-Real-IP",
        "Where a trusted peer tells its client's address: a header, or `proxy_protocol`.",
    ),
    Setting(
        "real_ip_recursive",
        values.switch,
        "off",
        "Of several addresses in that header the last that is not trusted counts.",
    ),
    Setting(
        "headers",
        values.names_of(*_HEADERS),
        "server_tokens, latency_tokens, X-Kong-Request-Id",
        "Which headers of the gateway's own clients get. `X-Kong-Admin-Latency` has no effect.",
    ),
    Setting(
        "headers_upstream",
        values.names_of("X-Kong-Request-Id"),
        "X-Kong-Request-Id",
        "Which headers of the gateway's own Services get.",
    ),
    Setting(
        "port_maps",
        values.port_maps,
        "",
        "The public port of a listening one, told in `X-Forwarded-Port` (`80:8000, 443:8443`).",
    ),
    Setting("nginx_worker_processes", _workers, "auto", "Envoy's worker threads; `auto`: one a processor."),
    Setting(
        "vault_env_prefix",
        values.beginning_of_variables,
        "",
        "With what the names of the variables begin that references `{vault://env/…}` may read; without it none.",
    ),
    Setting("log_level", values.one_of(**_LOG_LEVELS), "notice", "How much Envoy logs on standard error."),
)
BY_NAME: Final = {setting.name: setting for setting in TABLE}
# Other names under which Kong takes a setting.
ALIASES: Final = {
    "nginx_main_worker_processes": "nginx_worker_processes",
    "nginx_proxy_real_ip_header": "real_ip_header",
    "nginx_proxy_real_ip_recursive": "real_ip_recursive",
}
