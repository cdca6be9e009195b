"""The one table of Kong's settings that have an effect here."""

from collections.abc import Callable
from typing import Final, NamedTuple

from crossfade.kong_conf import values
from crossfade.kong_conf.listen import admin_listens, listens, status_listens, stream_listens
from crossfade.kong_conf.settings import PROXY_PROTOCOL, AccessLogPath
from crossfade.kong_conf.tls import CIPHERS, PROTOCOLS, SUITES

MOST_WORKERS: Final = 1024
MOST_CACHED: Final = 1 << 40
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


def _cache_size(text: str) -> int:
    found = values.size(text)
    if found > MOST_CACHED:
        raise ValueError("it must be a size like 128m or 512k, 1024g at most")
    return found


def _real_ip_header(text: str) -> str:
    return PROXY_PROTOCOL if text.lower() == PROXY_PROTOCOL else values.header_name(text)


def _access_log(text: str) -> AccessLogPath | None:
    if text == values.OFF:
        return None
    path, *formats = text.split()
    if not path.startswith("/"):
        raise ValueError("it must be off, /dev/stdout, /dev/stderr or another absolute path: there is no prefix")
    if formats not in ([], ["kong_log_format"], ["combined"]):
        raise ValueError("the format can be kong_log_format or combined")
    return AccessLogPath(path, has_request_id=formats != ["combined"])


def _protocols(text: str) -> tuple[str, ...]:
    found = tuple(text.replace(",", " ").split())
    if not found or not set(found) <= set(PROTOCOLS):
        raise ValueError(f"it must be some of {' '.join(PROTOCOLS)}")
    span = sorted(map(PROTOCOLS.index, found))
    if len(set(span)) != span[-1] - span[0] + 1:
        raise ValueError("the protocols must follow one another: Envoy has a lowest and a highest")
    return tuple(PROTOCOLS[at] for at in sorted(set(span)))


def _ciphers(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(name for name in text.split(":") if name))
    unknown = [name for name in found if name not in CIPHERS and not name.startswith("TLS_")]
    if unknown or not found:
        raise ValueError(f"Envoy has no cipher {', '.join(unknown) or text}; it has {':'.join(CIPHERS)}")
    return tuple(name for name in found if name in CIPHERS)


def _authorities(text: str) -> str | None:
    if text == "system":
        return None
    if not text.startswith("/") or "," in text:
        raise ValueError("it must be system or the absolute path of one file")
    return text


def _file_or_pem(text: str) -> str:
    if "," in text:
        raise ValueError("one certificate is taken")
    return text


_WITH_CUSTOM: Final = " Counts with `ssl_cipher_suite = custom` alone, as in Kong."
TABLE: Final = (
    Setting(
        "proxy_listen",
        listens,
        "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
        "A listener for each address. `ssl`, `http2`, `proxy_protocol` (versions 1 and 2), `backlog` and `ipv6only` "
        "are carried out; Envoy always does what `reuseport` asks; `deferred`, `bind`, `so_keepalive` have no effect.",
    ),
    Setting(
        "stream_listen",
        stream_listens,
        "off",
        "Ports for TCPIngresses and UDPIngresses. With `ssl` TLS is taken, with `udp` datagrams; the other flags as "
        "for `proxy_listen`. A port is open as long as a rule wants it.",
    ),
    Setting(
        "admin_listen",
        admin_listens,
        "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384",
        "Where [Kong's Admin API](../how-to/read-the-admin-api.md) can be read, without a password. With `ssl` TLS is "
        "taken, with the certificate of `admin_ssl_cert` or one that nobody can verify; `http2` has no effect. Unset: "
        "port 8001 of a gateway pod's loopback, nowhere with `crossfade gateway run`.",
    ),
    Setting("admin_ssl_cert", _file_or_pem, "", "The certificate of the Admin API, as `ssl_cert`."),
    Setting("admin_ssl_cert_key", _file_or_pem, "", "Its private key.", is_secret=True),
    Setting(
        "status_listen",
        status_listens,
        "127.0.0.1:8007 reuseport backlog=16384",
        "Where `/status`, `/status/ready` and `/metrics` answer, in clear. Not set: 0.0.0.0:8100 in a cluster, nowhere "
        "with `crossfade gateway run`. A pod's probes ask there.",
    ),
    Setting(
        "allow_debug_header",
        values.switch,
        "off",
        "A client that sends `Kong-Debug` is told ids and names of the route and service in `Kong-Route-*` and "
        "`Kong-Service-*`.",
    ),
    Setting(
        "dns_resolver",
        values.name_servers,
        "",
        "The name servers for Services that are reached by name, in place of those of resolv.conf; its search domains "
        "stay. Names in configurations of plugins are looked up as the system does.",
    ),
    Setting(
        "dns_order",
        values.record_types,
        "LAST, SRV, A, CNAME",
        "Whether A or AAAA records are taken first for Services that are reached by name, or with AAAA alone only "
        "these. SRV records are not looked at, `LAST` has no effect, `CNAME`s are always followed.",
    ),
    Setting(
        "dns_valid_ttl",
        values.decimal(0.1, 31_536_000),
        "",
        "How many seconds a Service's name stays looked up; not set: 5, whatever its records say. What was found stays "
        "in use while name servers do not answer.",
    ),
    Setting(
        "dns_error_ttl",
        values.decimal(0.1, 31_536_000),
        "1",
        "After how many seconds a name without an address is looked up again; not set: 0.25, and up to 2 later on.",
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
    Setting(
        "proxy_error_log",
        values.absolute_path,
        "/dev/stderr",
        "Where Envoy's messages go. Kong writes a file below its prefix by default, there is none here.",
    ),
    Setting(
        "proxy_access_log",
        _access_log,
        "off",
        "Where each request is logged, as Kong's `kong_log_format` or nginx' `combined`; the query is left out, it may "
        "hold keys. Kong logs below its prefix by default, there is none here.",
    ),
    Setting(
        "nginx_http_client_max_body_size",
        values.size,
        "0",
        "A longer request body is answered 413; without a told length some of it may have reached the Service by then.",
    ),
    Setting(
        "mem_cache_size",
        _cache_size,
        "128m",
        "How much answers that proxy-cache keeps may take in each gateway. Kong's own cache, which it also bounds, is "
        "not needed: the configuration is kept whole in memory.",
    ),
    Setting(
        "error_default_type",
        values.one_of(**{kind: kind for kind in ("text/plain", "text/html", "application/json", "application/xml")}),
        "text/plain",
        "The type of errors of proxying where the request has neither `Accept` nor `Content-Type`.",
    ),
    *(
        Setting(
            f"error_template_{kind}",
            str,
            "",
            f"A file with the page for errors in {kind}; `%s` stands for the message, then for the request id.",
        )
        for kind in ("html", "json", "plain", "xml")
    ),
    Setting(
        "ssl_cipher_suite",
        values.one_of(**{name: name for name in SUITES}),
        "intermediate",
        "TLS versions and ciphers: modern (1.3), intermediate (1.2 and 1.3), old (1.0 to 1.3), fips (1.2), or custom.",
    ),
    Setting("ssl_protocols", _protocols, "TLSv1.2 TLSv1.3", "TLS versions for clients." + _WITH_CUSTOM),
    Setting("ssl_ciphers", _ciphers, "", "Ciphers of TLS 1.2 and older for clients." + _WITH_CUSTOM),
    Setting("ssl_session_tickets", values.switch, "on", "Whether clients can resume sessions by tickets."),
    Setting("ssl_session_timeout", values.seconds, "1d", "How long a session can be resumed."),
    Setting(
        "ssl_cert",
        _file_or_pem,
        "",
        "The certificate for names that no Ingress has one for: a file, PEM, or PEM in base64. "
        "Without it one is made that nobody can verify.",
    ),
    Setting("ssl_cert_key", _file_or_pem, "", "Its private key, in the same ways.", is_secret=True),
    Setting(
        "client_ssl",
        values.switch,
        "off",
        "Whether Services with TLS are shown `client_ssl_cert`; `konghq.com/client-cert` of a Service goes before.",
    ),
    Setting("client_ssl_cert", _file_or_pem, "", "What they are shown: a file, PEM, or PEM in base64."),
    Setting("client_ssl_cert_key", _file_or_pem, "", "Its private key, in the same ways.", is_secret=True),
    Setting(
        "lua_ssl_trusted_certificate",
        _authorities,
        "system",
        "Whom Services with `tls-verify` are trusted by that name no authorities of their own: `system`, or a file on "
        "the proxy's machine. The plugin acme checks its authority's server by it too.",
    ),
    Setting(
        "upstream_keepalive_pool_size",
        values.number(0, 1_000_000),
        "512",
        "0: a connection to a Service carries one request. Otherwise Envoy keeps as many as were needed at once.",
    ),
    Setting(
        "upstream_keepalive_max_requests",
        values.number(0, 4_294_967_295),
        "10000",
        "How many requests a connection to a Service carries. Where it is not set Envoy has no limit.",
    ),
    Setting(
        "upstream_keepalive_idle_timeout",
        values.number(0, 1_000_000_000),
        "60",
        "After how many seconds an idle connection to a Service is closed; 0: never.",
    ),
)
BY_NAME: Final = {setting.name: setting for setting in TABLE}
# Other names under which Kong takes a setting.
ALIASES: Final = {
    "client_max_body_size": "nginx_http_client_max_body_size",
    "nginx_proxy_client_max_body_size": "nginx_http_client_max_body_size",
    "nginx_main_worker_processes": "nginx_worker_processes",
    "nginx_proxy_real_ip_header": "real_ip_header",
    "nginx_proxy_real_ip_recursive": "real_ip_recursive",
    "resolver_address": "dns_resolver",
    "resolver_family": "dns_order",
    "resolver_valid_ttl": "dns_valid_ttl",
    "resolver_error_ttl": "dns_error_ttl",
}
