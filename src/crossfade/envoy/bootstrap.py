"""The bootstrap of a proxy, as JSON-ready data: who it is, where its configuration comes from, its admin port.

Only the standard library is used, so that a proxy starts at once; everything else comes over ADS.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from crossfade.envoy.names import (
    ADMIN_CLUSTER,
    ADS_CLUSTER,
    COUNTS_MODULE,
    IDENTITIES_CLUSTER,
    METRICS_CLUSTER,
    OPEN_CONNECTIONS,
    PROXY_FEATURES,
    SDS_CLUSTER,
    STATUS_LISTENER,
    TOLD_SETTINGS,
    metrics_socket,
)
from crossfade.envoy.probes import ProbedPort, probe_clusters, probe_listener
from crossfade.envoy.static_clusters import TYPE, Json, address, assignment, discovery, is_ip
from crossfade.envoy.telemetry.keys import EXTENSION_KEY, REQUESTS_KEY, bucket_settings
from crossfade.envoy.telemetry.own_statistics import DEFERRED, kept_statistics
from crossfade.envoy.telemetry.tracers import Tracer, tracer_cluster, tracer_runtime, tracing

TOKEN_SECRET: Final = "ads-token"  # noqa: S105 - the name of a secret, not one
AUTHORITY_SECRET: Final = "ads-authority"  # noqa: S105 - the name of a secret, not one
NO_SERVICE: Final = "crossfade"
MAX_CONNECTIONS: Final = 50_000
NO_LIMIT: Final = 2**31
# Kong's path regexes are longer than what Envoy takes by default (100 instructions).
REGEX_PROGRAM_SIZE: Final = 32_768
METRICS_PATH: Final = "/metrics"
STATUS_PATHS: Final = (("/status/ready", "/ready"), ("/status", "/ready"), (METRICS_PATH, METRICS_PATH))
STATS_PATHS: Final = tuple((path, path) for path in ("/stats/prometheus", "/stats", "/ready", "/server_info"))
SOL_SOCKET, SO_MARK = 1, 36


class AdsPeer(NamedTuple):
    """Where the control plane listens. Without `authority_file` the connection is plain: loopback only.

    Both files are of SDS and watched by Envoy: whom it trusts (see `authority_secret`) and the bearer token (see
    `token_secret`).
    """

    host: str
    port: int
    authority_file: str | None = None
    token_file: str | None = None


class AdminPages(NamedTuple):
    """A listener that shows some of the admin interface's pages (`path`, page) to others; nothing else of it.

    The page `METRICS_PATH` is the policy module's.
    """

    address: str
    port: int
    pages: tuple[tuple[str, str], ...]
    takes_ipv4_too: bool = False


def bootstrap(
    *,
    node_id: str,
    ads: AdsPeer,
    admin_port: int,
    pages: tuple[AdminPages, ...] = (),
    socket_mark: int | None = None,
    stats_tags: tuple[tuple[str, str], ...] = (),
    is_gateway: bool = False,
    is_sidecar: bool = False,
    told: Mapping[str, str] = MappingProxyType({}),
    name_servers: tuple[tuple[str, int], ...] = (),
    sds_socket: str = "",
    probes: tuple[ProbedPort, ...] = (),
    probes_address: str = "0.0.0.0",
    admin_log: str = "",
    counts_requests: bool = True,
    has_metric_extension: bool = False,
    service: str = NO_SERVICE,
    tracer: Tracer | None = None,
    keeps_all_statistics: bool = False,
    identities: AdsPeer | None = None,
    has_counts_module: bool = False,
) -> Json:
    """`node_id` is `<namespace>/<pod>`, `service` what traces call the proxy.

    The admin interface itself listens on loopback only.
    `is_sidecar` is for those whose callers are proxies that may send many people's requests over one connection.

    `socket_mark` is set on all connections that Envoy opens: for traffic capture that cannot tell users apart.
    `stats_tags` (name, value) are added to every statistic. `told` are settings that the control plane is to know; they
    show in the admin interface. `name_servers` (address, port) are asked in place of those of resolv.conf.
    `sds_socket` is where an agent gives certificates. `probes` are listened for on `probes_address`.
    `admin_log` is a file. A proxy of a mesh `counts_requests`, and those of App Mesh's extension besides.
    `has_counts_module`: Envoy finds the library that counts requests (`proxy/counting.py`).
    `identities` is the mesh's control plane, where `ads` is another. A proxy of a mesh reports its load if it is asked.
    """
    static_layer = _runtime(is_gateway=is_gateway, is_sidecar=is_sidecar, has_counts_module=has_counts_module)
    static_layer |= {} if counts_requests else {REQUESTS_KEY: 0}
    static_layer |= {EXTENSION_KEY: 100} if has_metric_extension else {}
    static_layer |= tracer_runtime(tracer) if tracer is not None else {}
    return {
        "node": {
            "id": node_id,
            "cluster": service,
            **_metadata(told, _features(has_metric_extension=has_metric_extension) if has_counts_module else ()),
        },
        "admin": {
            "address": address("127.0.0.1", admin_port),
            "ignore_global_conn_limit": True,
            **({"access_log": [_admin_log(admin_log)]} if admin_log else {}),
        },
        "cluster_manager": _cluster_manager(socket_mark, reports_load=not is_gateway),
        **({"tracing": tracing(tracer, service)} if tracer is not None else {}),
        **({"typed_dns_resolver_config": _resolver(name_servers)} if name_servers else {}),
        "stats_config": _statistics(stats_tags, keeps_all=keeps_all_statistics),
        **({} if keeps_all_statistics else {"deferred_stat_options": DEFERRED}),
        "dynamic_resources": {"ads_config": _ads_config(), "lds_config": _over_ads(), "cds_config": _over_ads()},
        "static_resources": {
            "clusters": [
                _ads_cluster(ads),
                *([_ads_cluster(identities, IDENTITIES_CLUSTER)] if identities else []),
                *([_admin_cluster(admin_port)] if pages else []),
                *([_metrics_cluster(admin_port)] if any(METRICS_PATH in dict(one.pages) for one in pages) else []),
                *([_sds_cluster(sds_socket)] if sds_socket else []),
                *(cluster for probed in probes for cluster in probe_clusters(probed)),
                *([tracer_cluster(tracer)] if tracer is not None else []),
                *([_counts_cluster()] if has_counts_module else []),
            ],
            "listeners": [
                *(_pages_listener(index, one) for index, one in enumerate(pages)),
                *(probe_listener(probed, probes_address) for probed in probes),
            ],
        },
        "layered_runtime": {
            "layers": [
                {"name": "crossfade", "static_layer": static_layer},
                {"name": "admin", "admin_layer": {}},
            ]
        },
        "overload_manager": {"resource_monitors": [_connection_limit()]},
    }


def _metadata(told: Mapping[str, str], features: Sequence[str]) -> Json:
    found: Json = {TOLD_SETTINGS: dict(told)} if told else {}
    found |= {PROXY_FEATURES: dict.fromkeys(features, True)} if features else {}
    return {"metadata": found} if found else {}


def _features(*, has_metric_extension: bool) -> Sequence[str]:
    """Of a proxy with the library."""
    return (COUNTS_MODULE, OPEN_CONNECTIONS) if has_metric_extension else (COUNTS_MODULE,)


def _counts_cluster() -> Json:
    """Has no host and gets no request: Envoy gives series out to keep by the configuration of a cluster alone."""
    module = {"name": COUNTS_MODULE, "do_not_close": True}
    config = {
        "@type": TYPE + "envoy.extensions.clusters.dynamic_modules.v3.ClusterConfig",
        "dynamic_module_config": module,
        "cluster_name": COUNTS_MODULE,
    }
    return {
        "name": COUNTS_MODULE,
        "connect_timeout": "1s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.dynamic_modules", "typed_config": config},
    }


def _cluster_manager(socket_mark: int | None, *, reports_load: bool) -> Json:
    manager: Json = {"load_stats_config": _ads_config("GRPC")} if reports_load else {}
    if socket_mark is not None:
        option = {"level": SOL_SOCKET, "name": SO_MARK, "int_value": socket_mark, "state": "STATE_PREBIND"}
        manager["upstream_bind_config"] = {"socket_options": [option]}
    return manager


def _statistics(tags: tuple[tuple[str, str], ...], *, keeps_all: bool) -> Json:
    return {
        "stats_tags": [{"tag_name": name, "fixed_value": value} for name, value in tags],
        **({} if keeps_all else {"stats_matcher": kept_statistics()}),
        "histogram_bucket_settings": bucket_settings(),
    }


def _admin_log(path: str) -> Json:
    """Without the kubelet's questions, which come every second."""
    is_ready = {"name": ":path", "string_match": {"exact": "/ready"}, "invert_match": True}
    config = {"@type": TYPE + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path}
    return {
        "name": "envoy.access_loggers.file",
        "filter": {"header_filter": {"header": is_ready}},
        "typed_config": config,
    }


def _resolver(name_servers: tuple[tuple[str, int], ...]) -> Json:
    """Those of resolv.conf are no second choice: they may know other addresses of a name."""
    config = {
        "@type": TYPE + "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        "resolvers": [address(host, port) for host, port in name_servers],
    }
    return {"name": "envoy.network.dns_resolver.cares", "typed_config": config}


def token_secret(token: str) -> Json:
    """Content of the SDS file: a discovery response with the one secret. Replace it by renaming."""
    return _sds_file(TOKEN_SECRET, {"generic_secret": {"secret": {"inline_string": token}}})


def authority_secret(pem: str) -> Json:
    """As `token_secret`, of certificates that may vouch for the control plane."""
    return _sds_file(AUTHORITY_SECRET, {"validation_context": {"trusted_ca": {"inline_string": pem}}})


def _sds_file(name: str, kind: Json) -> Json:
    secret = {"@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.Secret", "name": name, **kind}
    return {"resources": [secret]}


def _runtime(*, is_gateway: bool, is_sidecar: bool, has_counts_module: bool) -> Json:
    # A gateway as nginx: what follows a # in a target is dropped, and the rest served.
    # Callers that hang up share a connection with all others of their pod: closing it would end the requests of these.
    resets: Json = {"overload.premature_reset_total_stream_count": NO_LIMIT} if is_sidecar else {}
    fragments: Json = {"envoy.reloadable_features.http_reject_path_with_fragment": False} if is_gateway else {}
    # The names of what it counts are those of Envoy's own log then.
    counts: Json = {"envoy.reloadable_features.dynamic_modules_strip_custom_stat_prefix": True}
    return {
        "re2.max_program_size.error_level": REGEX_PROGRAM_SIZE,
        "re2.max_program_size.warn_level": REGEX_PROGRAM_SIZE,
        **fragments,
        **resets,
        **(counts if has_counts_module else {}),
    }


def _connection_limit() -> Json:
    return {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": TYPE + "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": MAX_CONNECTIONS,
        },
    }


# --- ADS -------------------------------------------------------------------------------------------------------


def _ads_config(api_type: str = "DELTA_GRPC") -> Json:
    """Quick retries: at start the control plane, its Service and the proxy come up together."""
    retry = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
    return {
        "api_type": api_type,
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [{"envoy_grpc": {"cluster_name": ADS_CLUSTER, "retry_policy": retry}}],
    }


def _over_ads() -> Json:
    """Never goes on without a configuration: an Envoy that knows nothing must not be ready."""
    return {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"}


def _ads_cluster(ads: AdsPeer, name: str = ADS_CLUSTER) -> Json:
    http2 = {"connection_keepalive": {"interval": "30s", "timeout": "5s"}}
    options: Json = {
        "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": http2},
    }
    if ads.token_file is not None:
        options["http_filters"] = _token_filters(ads.token_file)
    cluster: Json = {
        "name": name,
        "connect_timeout": "1s",
        "load_assignment": assignment(name, ads.host, ads.port),
        "typed_extension_protocol_options": {options["@type"].removeprefix(TYPE): options},
        **discovery(ads.host),
    }
    if ads.authority_file is not None:
        cluster["transport_socket"] = _client_tls(ads.host, ads.authority_file)
    return cluster


def _token_filters(token_file: str) -> list[Json]:
    """The token expires and is renewed, so it is read from a file that Envoy watches, not written here."""
    credential = {
        "@type": TYPE + "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        "credential": {
            "name": TOKEN_SECRET,
            "sds_config": _file_source(token_file),
        },
        "header_value_prefix": "Bearer ",
    }
    injector = {
        "@type": TYPE + "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        "overwrite": True,
        "credential": {"name": "envoy.http.injected_credentials.generic", "typed_config": credential},
    }
    codec = {"@type": TYPE + "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}
    return [
        {"name": "envoy.filters.http.credential_injector", "typed_config": injector},
        {"name": "envoy.filters.http.upstream_codec", "typed_config": codec},
    ]


def _file_source(path: str) -> Json:
    return {"path_config_source": {"path": path}, "resource_api_version": "V3"}


def _client_tls(host: str, authority_file: str) -> Json:
    san = {"san_type": "IP_ADDRESS" if is_ip(host) else "DNS", "matcher": {"exact": host}}
    validation = {
        "default_validation_context": {"match_typed_subject_alt_names": [san]},
        "validation_context_sds_secret_config": {
            "name": AUTHORITY_SECRET,
            "sds_config": _file_source(authority_file),
        },
    }
    context: Json = {
        "@type": TYPE + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "combined_validation_context": validation,
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        },
    }
    if not is_ip(host):
        context["sni"] = host
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _sds_cluster(path: str) -> Json:
    """The socket may appear later, or never: then nothing asks for it."""
    options: Json = {
        "@type": TYPE + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"endpoint": {"address": {"pipe": {"path": path}}}}
    return {
        "name": SDS_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": SDS_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {options["@type"].removeprefix(TYPE): options},
    }


# --- status ----------------------------------------------------------------------------------------------------


def _admin_cluster(admin_port: int) -> Json:
    return {
        "name": ADMIN_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": assignment(ADMIN_CLUSTER, "127.0.0.1", admin_port),
    }


def _metrics_cluster(admin_port: int) -> Json:
    endpoint = {"endpoint": {"address": {"pipe": {"path": f"@{metrics_socket(admin_port)}"}}}}
    return {
        "name": METRICS_CLUSTER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": METRICS_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _pages_listener(index: int, pages: AdminPages) -> Json:
    """Envoy opens it once it has its first configuration; until then the port refuses, which is "not ready"."""
    routes = [
        {
            "match": {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
            "route": {
                "cluster": METRICS_CLUSTER if page == METRICS_PATH else ADMIN_CLUSTER,
                "regex_rewrite": _rewrite(path, page),
            },
        }
        for path, page in pages.pages
    ]
    manager = {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": STATUS_LISTENER,
        "route_config": {"virtual_hosts": [{"name": STATUS_LISTENER, "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": TYPE + "envoy.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "name": f"{STATUS_LISTENER}_{index}",
        "address": _listening(pages),
        "ignore_global_conn_limit": True,
        "filter_chains": [chain],
    }


def _listening(pages: AdminPages) -> Json:
    listening = address(pages.address, pages.port)
    if pages.takes_ipv4_too:
        listening["socket_address"]["ipv4_compat"] = True
    return listening


def _rewrite(path: str, page: str) -> Json:
    return {"pattern": {"regex": f"^{path}"}, "substitution": page}
