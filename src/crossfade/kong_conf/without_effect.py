"""Kong's settings that have no effect here, each with the reason: by name, or by the beginning of the name."""

from typing import Final

_NGINX: Final = "it is a directive of nginx, and Envoy serves the requests"
_LUA: Final = "no Lua runs here"
_DATABASE: Final = "there is no database: Kubernetes, or a directory of manifests, has the configuration"
_HYBRID: Final = "the controller configures its proxies itself"
_OWN_CACHE: Final = "the configuration is kept whole in memory"
_SERVERS: Final = "there is no Kong Manager, portal or debug server"
_ADMIN_API: Final = "the Admin API can only be read; `admin_listen` says where"
_DNS: Final = "Services that are reached by name are looked up by Envoy"

REASONS: Final = {
    "prefix": "there is no working directory to keep files in",
    "proxy_stream_access_log": "TCP, TLS and UDP sessions are not logged",
    "proxy_stream_error_log": "Envoy's messages go where `proxy_error_log` says",
    "vaults": "the vault env is read where `vault_env_prefix` is set, others are KongVaults",
    "tracing_instrumentations": "the plugins zipkin and opentelemetry send spans without it",
    "opentelemetry_tracing": "the plugins zipkin and opentelemetry send spans without it",
    "opentelemetry_tracing_sampling_rate": "say `sampling_rate` in the plugin opentelemetry",
    "tracing_sampling_rate": "say `sampling_rate` in the plugin opentelemetry",
    "plugins": "every plugin that is built in can be used",
    "dedicated_config_processing": "configuration is never read by what serves requests",
    "privileged_worker": "configuration is never read by what serves requests",
    "anonymous_reports": "nothing is ever reported",
    "proxy_server": "nothing asks for pages through a proxy",
    "proxy_server_ssl_verify": "nothing asks for pages through a proxy",
    "role": _HYBRID,
    "nginx_user": "the processes run as whoever starts them",
    "nginx_main_user": "the processes run as whoever starts them",
    "nginx_daemon": "the gateway always stays in the foreground",
    "nginx_main_daemon": "the gateway always stays in the foreground",
    "ssl_dhparam": "Envoy has no ciphers with these parameters",
    "ssl_session_cache_size": "Envoy keeps sessions in tickets that clients hold",
    "database": _DATABASE,
    "declarative_config": "the objects of Kubernetes, or the manifests, are the configuration",
    "declarative_config_string": "the objects of Kubernetes, or the manifests, are the configuration",
    "worker_consistency": "each worker takes a new configuration over as a whole",
    "router_consistency": "each worker takes a new configuration over as a whole",
    "worker_state_update_frequency": "changes are live at once",
    "router_flavor": "routes are chosen as `traditional_compatible` does, whatever is set",
    "untrusted_lua": _LUA,
    "openresty_path": _NGINX,
    "node_id": "a proxy has the name of its pod",
    "request_debug": "requests are not traced",
    "request_debug_token": "requests are not traced",
    "dns_hostsfile": "Envoy reads `/etc/hosts`",
    "resolver_hosts_file": "Envoy reads `/etc/hosts`",
    "dns_stale_ttl": "what was found stays in use for as long as name servers do not answer",
    "resolver_stale_ttl": "what was found stays in use for as long as name servers do not answer",
    "dns_not_found_ttl": "a name that does not exist is looked up again as after any failure, see `dns_error_ttl`",
    "dns_cache_size": "each Service's name is looked up by itself",
    "resolver_mem_cache_size": "each Service's name is looked up by itself",
    "resolver_lru_cache_size": "each Service's name is looked up by itself",
    "dns_no_sync": "each Service's name is looked up by itself",
    "resolver_resolv_conf": "Envoy reads `/etc/resolv.conf`",
    "lua_ssl_verify_depth": "Services say it themselves: annotation `konghq.com/tls-verify-depth`",
    "lua_ssl_protocols": "Services are asked with TLS 1.2 or 1.3",
    "admin_access_log": "the Admin API logs no requests",
    "admin_error_log": "the Admin API logs to standard error of its process",
    "status_access_log": "the status pages are not logged",
    "status_error_log": "Envoy's messages go where `proxy_error_log` says",
    "client_body_buffer_size": "bodies are never written to a disk",
    "nginx_http_client_body_buffer_size": "bodies are never written to a disk",
    "ssl_prefer_server_ciphers": "the gateway's order of ciphers always counts",
    "new_dns_client": _DNS,
    "kic": "an ingress controller always configures the gateway",
}
# The first that fits counts.
FAMILIES: Final = (
    ("nginx_", _NGINX),
    ("pg_", _DATABASE),
    ("cassandra_", _DATABASE),
    ("db_", _DATABASE),
    ("lmdb_", _DATABASE),
    ("cluster_", _HYBRID),
    ("lua_", _LUA),
    ("untrusted_lua_", _LUA),
    ("admin_gui_", _SERVERS),
    ("admin_", _ADMIN_API),
    ("portal_", _SERVERS),
    ("dns_", _DNS),
    ("resolver_", _DNS),
    ("wasm", "no WebAssembly runs here"),
    ("pluginserver_", "there are no plugin servers"),
    ("vault_", "vaults other than env are KongVaults"),
    ("status_", "`status_listen` says where the status pages are"),
    ("debug_", _SERVERS),
    ("worker_events_", _OWN_CACHE),
)


def reason_without_effect(name: str) -> str | None:
    """None for a name that is none of these."""
    found = REASONS.get(name)
    if found is not None:
        return found
    return next((reason for beginning, reason in FAMILIES if name.startswith(beginning)), None)
