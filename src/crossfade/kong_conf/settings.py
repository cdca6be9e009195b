"""The settings of Kong that have an effect here, typed; each field has the name of its setting."""

from typing import Final, NamedTuple

from crossfade.kong_conf.listen import Listen

HEADERS: Final = ("server_tokens", "latency_tokens", "X-Kong-Request-Id")
HEADERS_UPSTREAM: Final = ("X-Kong-Request-Id",)
EVERYWHERE: Final = (Listen("0.0.0.0", 8000), Listen("0.0.0.0", 8443, ssl=True, http2=True))
PROXY_PROTOCOL: Final = "proxy_protocol"
STDERR: Final = "/dev/stderr"
CACHE_BYTES: Final = 128 << 20


class AccessLogPath(NamedTuple):
    """A file or standard stream; `has_request_id` as Kong's own format has."""

    path: str
    has_request_id: bool = True


class KongSettings(NamedTuple):
    """Kong's defaults. `port_maps` are pairs of a listening port and the one that clients know.

    `nginx_worker_processes` 0 stands for one a processor. `log_level` is Envoy's word; None leaves it to the command.
    Sizes are bytes, times seconds; 0 is no limit. `error_template_*` and `ssl_*` name files or, once these have been
    read, are what stood in them. Without `ssl_ciphers` Envoy's own are offered. None leaves `admin_listen` and
    `status_listen` to the command, `lua_ssl_trusted_certificate` and `dns_*` to the system.
    """

    proxy_listen: tuple[Listen, ...] = EVERYWHERE
    stream_listen: tuple[Listen, ...] = ()
    trusted_ips: tuple[str, ...] = ()
    real_ip_header: str = "X-Real-IP"
    real_ip_recursive: bool = False
    headers: tuple[str, ...] = HEADERS
    headers_upstream: tuple[str, ...] = HEADERS_UPSTREAM
    port_maps: tuple[tuple[int, int], ...] = ()
    nginx_worker_processes: int = 0
    log_level: str | None = None
    vault_env_prefix: str = ""
    nginx_http_client_max_body_size: int = 0
    mem_cache_size: int = CACHE_BYTES
    error_default_type: str = "text/plain"
    error_template_html: str | None = None
    error_template_json: str | None = None
    error_template_plain: str | None = None
    error_template_xml: str | None = None
    proxy_access_log: AccessLogPath | None = None
    ssl_cipher_suite: str = "intermediate"
    ssl_protocols: tuple[str, ...] = ()
    ssl_ciphers: tuple[str, ...] = ()
    ssl_session_tickets: bool = True
    ssl_session_timeout: int = 86_400
    ssl_cert: str | None = None
    ssl_cert_key: str | None = None
    client_ssl: bool = False
    client_ssl_cert: str | None = None
    client_ssl_cert_key: str | None = None
    lua_ssl_trusted_certificate: str | None = None
    admin_listen: tuple[Listen, ...] | None = None
    admin_ssl_cert: str | None = None
    admin_ssl_cert_key: str | None = None
    status_listen: tuple[Listen, ...] | None = None
    proxy_error_log: str = STDERR
    allow_debug_header: bool = False
    dns_resolver: tuple[tuple[str, int], ...] = ()
    dns_order: tuple[str, ...] | None = None
    dns_valid_ttl: float | None = None
    dns_error_ttl: float | None = None
    upstream_keepalive_pool_size: int = 512
    upstream_keepalive_max_requests: int = 0
    upstream_keepalive_idle_timeout: int = 60

    def __repr__(self) -> str:
        """Without the keys of certificates."""
        names = ("ssl_cert_key", "admin_ssl_cert_key", "client_ssl_cert_key")
        keys = {name: "***" for name in names if getattr(self, name)}
        shown = self._asdict() | keys
        return f"KongSettings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"
