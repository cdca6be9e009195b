"""The HTTP connection manager in each dialect."""

from collections.abc import Iterable

from crossfade.compile.model import Dialect, Direction, HttpHandler, Protocol
from crossfade.envoy import names
from crossfade.envoy.access_log import access_logs
from crossfade.envoy.carried import fill_carried_downstream
from crossfade.envoy.filters.handshakes import refused_handshakes
from crossfade.envoy.filters.order import http_filters
from crossfade.envoy.filters.policies import incoming_mutation, table_filter
from crossfade.envoy.filters.router import router_filter
from crossfade.envoy.header_case import fill_header_case
from crossfade.envoy.header_limits import KONG_HEADERS_COUNT, KONG_HEADERS_KB
from crossfade.envoy.local_reply import kong_local_replies, sidecar_local_replies
from crossfade.envoy.proto import (
    BoolValue,
    UInt32Value,
    core_v3,
    duration,
    hcm_v3,
    matcher_v3,
    packed,
    route_v3,
    uuid_v3,
)
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.sources import ads
from crossfade.envoy.telemetry.records import gateway_records, mesh_records
from crossfade.envoy.telemetry.stats_log import call_log, request_logs

# nginx: client_header_timeout, keepalive_timeout, http2_max_concurrent_streams.
KONG_HEADERS_TIMEOUT_S = 60
KONG_KEEPALIVE_S = 75
KONG_STREAMS = 128
# HTTP/1.0 knows no Host header; the name stands for "none", as in nginx, and no route can have it.
NO_HOST = "_"

# As the policy module writes it, so that Envoy hands on an answer that refuses it. HTTP/1 trims it on the way.
GATEWAY_WEBSOCKET = "websocket "


def connection_manager(
    handler: HttpHandler,
    options: EnvoyOptions,
    *,
    has_tls: bool,
    port: int,
    tells_certificate: bool = False,
    direction: Direction = Direction.INBOUND,
) -> hcm_v3.HttpConnectionManager:
    """`port` is the listener's. With `tells_certificate` the policy module learns what a client has shown.

    A client's own word for it never gets through: Envoy's `SANITIZE` is the default.
    """
    message = hcm_v3.HttpConnectionManager(
        stat_prefix=handler.stat_prefix,
        codec_type=_codec(handler),
        rds=hcm_v3.Rds(config_source=ads(), route_config_name=handler.route_table),
        http_filters=http_filters(handler, options),
        upgrade_configs=[hcm_v3.HttpConnectionManager.UpgradeConfig(upgrade_type="websocket")],
        path_with_escaped_slashes_action=hcm_v3.HttpConnectionManager.KEEP_UNCHANGED,
        stream_idle_timeout=duration(handler.stream_idle_timeout_s or 0),
        access_log=access_logs(handler.access_log),
    )
    # No peer is trusted by its address: clients never set retries or timeouts through x-envoy-* (appmesh.md §3.1).
    message.internal_address_config.SetInParent()
    if handler.dialect is Dialect.KONG:
        _make_kong(message, incoming_mutation("https" if has_tls else "http", port, options), options)
        if handler.telemetry.counts_calls:
            message.access_log.append(call_log())
        if options.sends_records:
            message.access_log.append(gateway_records())
        if tells_certificate:
            message.forward_client_cert_details = hcm_v3.HttpConnectionManager.SANITIZE_SET
            message.set_current_client_cert_details.chain = True
    else:
        # The provider is the bootstrap's, where there is one.
        message.tracing.SetInParent()
        _keep_request_id(message)
        if handler.telemetry.counts_requests:
            message.access_log.extend(request_logs(direction))
        if options.sends_records:
            message.access_log.append(mesh_records(direction))
        message.normalize_path.value = True
        message.merge_slashes = True
        fill_header_case(message.http_protocol_options.header_key_format, handler.header_case)
        if handler.takes_http2:
            fill_carried_downstream(message)
            filters = [refused_handshakes(), *message.http_filters]
            message.upgrade_configs[0].filters.extend(filters)
            message.upgrade_configs.add(upgrade_type=GATEWAY_WEBSOCKET, filters=filters)
        if handler.tells_undelivered:
            message.local_reply_config.CopyFrom(sidecar_local_replies())
    return message


def _codec(handler: HttpHandler) -> int:
    if handler.takes_http2:
        return hcm_v3.HttpConnectionManager.AUTO
    if handler.dialect is Dialect.KONG or handler.protocol is Protocol.HTTP1:
        return hcm_v3.HttpConnectionManager.HTTP1
    return hcm_v3.HttpConnectionManager.HTTP2


def _make_kong(
    message: hcm_v3.HttpConnectionManager, incoming: core_v3.TypedExtensionConfig, options: EnvoyOptions
) -> None:
    """The policy module normalises paths and writes Kong's own headers; Envoy adds and changes none."""
    message.early_header_mutation_extensions.append(incoming)
    message.use_remote_address.value = True
    message.skip_xff_append = True
    message.server_header_transformation = hcm_v3.HttpConnectionManager.PASS_THROUGH
    message.generate_request_id.value = False
    message.preserve_external_request_id = True
    _keep_request_id(message)
    message.http_protocol_options.accept_http_10 = True
    message.http_protocol_options.default_host_for_http_10 = NO_HOST
    # Else Envoy waits for a body that never ends, although the policy module takes the header out.
    message.http_protocol_options.ignore_http_11_upgrade.add().CopyFrom(_other_than("websocket"))
    # The nearest to Kong's own spelling (X-RateLimit-Limit-Minute); names are compared without case.
    message.http_protocol_options.header_key_format.proper_case_words.SetInParent()
    message.max_request_headers_kb.CopyFrom(UInt32Value(value=KONG_HEADERS_KB))
    message.common_http_protocol_options.max_headers_count.value = KONG_HEADERS_COUNT
    message.common_http_protocol_options.idle_timeout.CopyFrom(duration(KONG_KEEPALIVE_S))
    message.request_headers_timeout.CopyFrom(duration(KONG_HEADERS_TIMEOUT_S))
    message.http2_protocol_options.max_concurrent_streams.value = KONG_STREAMS
    message.local_reply_config.CopyFrom(kong_local_replies(options.server_token))


def _keep_request_id(message: hcm_v3.HttpConnectionManager) -> None:
    """Else Envoy writes into a UUID whether the request is traced; trace headers say so."""
    request_id = uuid_v3.UuidRequestIdConfig(pack_trace_reason=BoolValue(value=False))
    message.request_id_extension.typed_config.CopyFrom(packed(request_id))


def _other_than(word: str) -> matcher_v3.StringMatcher:
    """Whatever is not the word, in any letters: ends within it, differs at one of its letters, or goes on behind it."""
    parted = [f"{word[:index]}([^{letter}].*)?" for index, letter in enumerate(word)]
    regex = "(?is)" + "|".join([*parted, f"{word}.+"])
    return matcher_v3.StringMatcher(safe_regex=matcher_v3.RegexMatcher(regex=regex))


def tables_manager(names_of_tables: Iterable[str]) -> hcm_v3.HttpConnectionManager:
    """Handles no request: its filters are how the policy module's tables arrive."""
    filters = [table_filter(name) for name in names_of_tables]
    return hcm_v3.HttpConnectionManager(
        stat_prefix=names.TABLES_LISTENER,
        route_config=route_v3.RouteConfiguration(name=names.TABLES_LISTENER),
        http_filters=[*filters, router_filter(suppresses_envoy_headers=True)],
    )


def answering_manager(name: str, answering: hcm_v3.HttpFilter) -> hcm_v3.HttpConnectionManager:
    """Has no route: its first filter answers."""
    return hcm_v3.HttpConnectionManager(
        stat_prefix=name,
        codec_type=hcm_v3.HttpConnectionManager.HTTP1,
        route_config=route_v3.RouteConfiguration(name=name),
        http_filters=[answering, router_filter(suppresses_envoy_headers=True)],
    )
