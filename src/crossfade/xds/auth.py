"""Who may connect to the ADS server: bearer tokens over TLS, or anyone over the pod's own loopback or a unix socket."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import grpc
import grpc.aio

Authenticate = Callable[[Mapping[str, str]], Awaitable[str]]
"""Takes the request's metadata (lower-case names), gives the key of the one proxy whose resources the peer may see.

Raises `NotAuthenticatedError`, whose text the peer gets to read.
"""


class NotAuthenticatedError(Exception):
    """The peer did not prove who it is."""


class ServerKeyPair(NamedTuple):
    """PEM texts; the private key never appears in `repr`."""

    key_pem: bytes
    chain_pem: bytes

    def __repr__(self) -> str:
        return "ServerKeyPair(***)"


def bearer_token(metadata: Mapping[str, str]) -> str:
    """The token of `authorization: Bearer …`."""
    scheme, _, token = metadata.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticatedError("a bearer token is needed")
    return token.strip()


def metadata_of(context: grpc.aio.ServicerContext[Any, bytes]) -> dict[str, str]:
    """Of the texts, the last of a name."""
    pairs = context.invocation_metadata() or ()
    return {name: value for name, value in pairs if isinstance(value, str)}


def always(proxy: str) -> Authenticate:
    """For servers that only one proxy can reach."""

    async def authenticate(_: Mapping[str, str]) -> str:
        return proxy

    return authenticate


def tls_credentials(load: Callable[[], ServerKeyPair]) -> grpc.ServerCredentials:
    """`load` is asked at each handshake and may answer with a rotated pair; it must be quick."""
    current = load()

    def rotated() -> grpc.ServerCertificateConfiguration | None:
        nonlocal current
        # What replaces a pair that is in use can end the process (gRPC 1.85): others may be amid a handshake with it.
        if (pair := load()) == current:
            return None
        current = pair
        return _configuration(pair)

    # None is "no change" (its docstring), which the type stubs have forgotten.
    return grpc.dynamic_ssl_server_credentials(_configuration(current), rotated)  # type: ignore[arg-type]


def _configuration(pair: ServerKeyPair) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pair.key_pem, pair.chain_pem)])


def is_private_address(address: str) -> bool:
    """Whether nobody but this machine (a pod's containers) can reach the address: then TLS may be left out."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
