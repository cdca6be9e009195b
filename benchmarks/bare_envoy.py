"""Envoys with next to no settings, from a static bootstrap: what others are compared with."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.openssl import Files

from crossfade.proxy.envoy_process import EnvoyProcess

Json = dict[str, Any]
TYPE: Final = "type.googleapis.com/envoy.extensions"
_LARGEST_ANSWER: Final = 1 << 20


@contextmanager
def envoy(
    folder: Path,
    listeners: list[Json],
    clusters: list[Json],
    *,
    environment: dict[str, str] | None = None,
    **bootstrap: Any,
) -> Iterator[int]:
    """Its process id. `bootstrap` is more of its bootstrap's, `environment` is added to ours."""
    folder.mkdir()
    config = {"static_resources": {"listeners": listeners, "clusters": clusters}, **bootstrap}
    process = EnvoyProcess.start(json.dumps(config), workdir=folder, log_level="critical", environment=environment)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait(10)


def listener(
    address: str,
    port: int,
    routes: Sequence[Json],
    *,
    filters: Iterable[tuple[str, Json]] = (),
    certificate: Files | None = None,
    **manager: Any,
) -> Json:
    """`filters` are names and configurations of those before the router; `manager` more of the connection manager's."""
    hosts = [{"name": "all", "domains": ["*"], "routes": list(routes)}]
    all_filters = [*filters, ("router", {"@type": f"{TYPE}.filters.http.router.v3.Router"})]
    config = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bare",
        "route_config": {"virtual_hosts": hosts, "max_direct_response_body_size_bytes": _LARGEST_ANSWER},
        "http_filters": [{"name": name, "typed_config": own} for name, own in all_filters],
        **manager,
    }
    chain: Json = {"filters": [{"name": "manager", "typed_config": config}]}
    if certificate is not None:
        chain["transport_socket"] = _tls(certificate)
    return {
        "name": f"on-{port}",
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [chain],
    }


def _tls(certificate: Files) -> Json:
    files = {"certificate_chain": {"filename": str(certificate.certificate)}}
    certificates = [{**files, "private_key": {"filename": str(certificate.key)}}]
    common = {"tls_certificates": certificates, "alpn_protocols": ["h2", "http/1.1"]}
    context = {"@type": f"{TYPE}.transport_sockets.tls.v3.DownstreamTlsContext", "common_tls_context": common}
    return {"name": "tls", "typed_config": context}


def forward(cluster_name: str, *, prefix: str = "/", **route: Any) -> Json:
    return {"match": {"prefix": prefix}, "route": {"cluster": cluster_name, **route}}


def answer(prefix: str, body: str) -> Json:
    return {"match": {"prefix": prefix}, "direct_response": {"status": 200, "body": {"inline_string": body}}}


def cluster(name: str, address: str, port: int, *, http2: bool = False) -> Json:
    endpoint = {"endpoint": {"address": {"socket_address": {"address": address, "port_value": port}}}}
    return {
        "name": name,
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {"thresholds": [{"max_connections": 100_000, "max_requests": 100_000}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options" if http2 else "http_protocol_options": {}},
            }
        },
    }
