"""Ports of a sidecar that answer nothing but the kubelet's probes of an application, as JSON-ready data.

The kubelet speaks plain text, which a listener with TLS refuses; here it gets through to exactly what it asks for.
Only the standard library is used, as in `bootstrap`.
"""

import json
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

TYPE: Final = "type.googleapis.com/"
GRPC_HEALTH_PATHS: Final = ("/grpc.health.v1.Health/Check",)
_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


class ProbedPort(NamedTuple):
    """`port` stands for the application's `app_port`: for GET of these paths, and for gRPC's health check.

    A path may have a query, which then must be the request's.
    """

    port: int
    app_port: int
    paths: tuple[str, ...] = ()
    takes_grpc: bool = False


def probes_text(probed: tuple[ProbedPort, ...]) -> str:
    """For an environment variable."""
    return json.dumps([[one.port, one.app_port, list(one.paths), one.takes_grpc] for one in probed])


def probes_from_text(text: str) -> tuple[ProbedPort, ...]:
    """Raises ValueError."""
    try:
        found = json.loads(text) if text else []
        return tuple(ProbedPort(int(port), int(app), tuple(map(str, paths)), bool(g)) for port, app, paths, g in found)
    except TypeError as problem:
        raise ValueError(str(problem)) from None


def probe_clusters(probed: ProbedPort) -> list[Json]:
    """One for each of the protocols that are spoken."""
    found = []
    if probed.paths:
        found.append(_cluster(_cluster_name(probed, is_grpc=False), probed.app_port, "http_protocol_options"))
    if probed.takes_grpc:
        found.append(_cluster(_cluster_name(probed, is_grpc=True), probed.app_port, "http2_protocol_options"))
    return found


def probe_listener(probed: ProbedPort, address: str) -> Json:
    routes = [_route(path, _cluster_name(probed, is_grpc=False), method="GET") for path in probed.paths]
    if probed.takes_grpc:
        name = _cluster_name(probed, is_grpc=True)
        routes += [_route(path, name, method="POST") for path in GRPC_HEALTH_PATHS]
    name = f"crossfade_probes_{probed.app_port}"
    manager = {
        "@type": TYPE + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "AUTO",
        "generate_request_id": False,
        "internal_address_config": {},
        "route_config": {"virtual_hosts": [{"name": name, "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": TYPE + "envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            }
        ],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "name": name,
        "address": {"socket_address": {"address": address, "port_value": probed.port}},
        "ignore_global_conn_limit": True,
        "filter_chains": [chain],
    }


def _route(path: str, cluster: str, *, method: str) -> Json:
    plain, separator, query = path.partition("?")
    headers: list[Json] = [{"name": ":method", "string_match": {"exact": method}}]
    if separator:
        headers.append({"name": ":path", "string_match": {"exact": f"{plain}?{query}"}})
    return {"match": {"path": plain, "headers": headers}, "route": {"cluster": cluster, "timeout": "0s"}}


def _cluster_name(probed: ProbedPort, *, is_grpc: bool) -> str:
    return f"crossfade_probes_{probed.app_port}_{'grpc' if is_grpc else 'http'}"


def _cluster(name: str, port: int, protocol: str) -> Json:
    options: Json = {"@type": TYPE + _OPTIONS, "explicit_http_config": {protocol: {}}}
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {_OPTIONS: options},
    }
