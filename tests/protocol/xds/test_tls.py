"""TLS of the ADS server."""

import asyncio
import ssl

import grpc
import pytest

from crossfade.xds.auth import ServerKeyPair, always, tls_credentials
from crossfade.xds.publisher import Publisher
from crossfade.xds.server import AdsServer
from tests.support.certificates import self_signed


def pair(name: str) -> ServerKeyPair:
    made = self_signed(name)
    return ServerKeyPair(made.key.encode(), made.certificate.encode())


async def shown(port: int) -> str:
    """The certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="a.test")
    try:
        return ssl.DER_cert_to_PEM_cert(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
    finally:
        writer.transport.abort()


async def test_a_certificate_is_replaced_when_it_has_rotated_and_not_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replacing one that other handshakes are using ends the process, some hundred handshakes after the first."""
    replaced: list[object] = []
    made = grpc.ssl_server_certificate_configuration
    monkeypatch.setattr(
        grpc, "ssl_server_certificate_configuration", lambda pairs: replaced.append(pairs) or made(pairs)
    )
    current = pair("a.test")
    credentials = tls_credentials(lambda: current)
    server = await AdsServer.start(
        publisher=Publisher(), address="127.0.0.1:0", authenticate=always("p"), credentials=credentials
    )
    try:
        async with asyncio.timeout(20):
            for _ in range(3):
                assert await shown(server.port) == current.chain_pem.decode()
            assert len(replaced) == 1
            current = pair("b.test")
            assert await shown(server.port) == current.chain_pem.decode()
            assert len(replaced) == 2
    finally:
        await server.stop()
