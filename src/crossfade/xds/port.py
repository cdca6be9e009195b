"""The port of an ADS server, open before there is anything to serve: who connects early waits for the answer."""

from typing import Final, NamedTuple

import grpc
import grpc.aio

from crossfade.xds.auth import is_private_address

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 << 20),
    ("grpc.max_send_message_length", -1),
    # A proxy that died without a word is noticed, and middle boxes do not close a quiet stream.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.so_reuseport", 0),
)


class AdsPort(NamedTuple):
    server: grpc.aio.Server
    number: int


def open_port(address: str, credentials: grpc.ServerCredentials | None = None) -> AdsPort:
    """`address` is `host:port` (port 0: any) or `unix:/path`. `OSError` if it is taken.

    Without `credentials` only an address that nobody else can reach is accepted (`ValueError`).
    """
    if credentials is None and not is_private_address(address):
        raise ValueError(f"{address}: an ADS server without TLS may only listen on loopback or a unix socket")
    server = grpc.aio.server(options=_OPTIONS)
    try:
        number = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}") from error
    return AdsPort(server, number)
