"""HTTP/1 carried over HTTP/2 between two proxies of ours: what keeps the difference from showing.

Requests that had a connection each share one here. So no slow one may hold up the others, and a peer that died without
a word has to be noticed by other means than a connection that times out with its only request.
"""

from typing import Final

from crossfade.envoy.header_limits import CARRIED_HEADERS_COUNT, CARRIED_HEADERS_KB
from crossfade.envoy.proto import core_v3, duration, hcm_v3, upstream_http_v3

STREAMS: Final = 100
STREAM_WINDOW: Final = 1024 * 1024
"""What Envoy buffers of a connection of HTTP/1 before it stops reading."""
CONNECTION_WINDOW: Final = STREAMS * STREAM_WINDOW
"""All streams may be full at once: then none is ever held up by another."""
PING_INTERVAL_S: Final = 10.0
PING_TIMEOUT_S: Final = 10.0


def fill_carried_downstream(message: hcm_v3.HttpConnectionManager) -> None:
    _fill(message.http2_protocol_options)
    message.common_http_protocol_options.max_headers_count.value = CARRIED_HEADERS_COUNT
    message.max_request_headers_kb.value = CARRIED_HEADERS_KB


def fill_carried_upstream(message: upstream_http_v3.HttpProtocolOptions) -> None:
    _fill(message.explicit_http_config.http2_protocol_options)
    common, http2 = message.common_http_protocol_options, message.explicit_http_config.http2_protocol_options
    common.max_headers_count.value = CARRIED_HEADERS_COUNT
    common.max_response_headers_kb.value = CARRIED_HEADERS_KB
    http2.connection_keepalive.interval.CopyFrom(duration(PING_INTERVAL_S))
    http2.connection_keepalive.timeout.CopyFrom(duration(PING_TIMEOUT_S))


def _fill(message: core_v3.Http2ProtocolOptions) -> None:
    # WebSockets (RFC 8441).
    message.allow_connect = True
    message.max_concurrent_streams.value = STREAMS
    message.initial_stream_window_size.value = STREAM_WINDOW
    message.initial_connection_window_size.value = CONNECTION_WINDOW
