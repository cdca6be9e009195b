"""A sidecar knows the authority that was there when its pod was made; it comes back after that one's renewal too."""

from concurrent import futures
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from crossfade.certs.ca import KeyPair, create_authority
from crossfade.certs.issuer import ServerCertificates, renewed
from tests.support.ports import free_ports

NAME = "appmesh-controller.appmesh-system.svc"
READY_S = 10


def accepts(server: KeyPair, trusted: KeyPair) -> bool:
    """gRPC has the TLS library that Envoy has."""
    (port,) = free_ports(1)
    listening = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    shown = grpc.ssl_server_credentials([(server.key_pem, server.certificate_pem)])
    listening.add_secure_port(f"127.0.0.1:{port}", shown)
    listening.start()
    options = [("grpc.ssl_target_name_override", NAME)]
    credentials = grpc.ssl_channel_credentials(trusted.certificate_pem)
    try:
        with grpc.secure_channel(f"127.0.0.1:{port}", credentials, options=options) as channel:
            call = channel.unary_unary("/nobody/knows")
            call(b"", timeout=READY_S)
    except grpc.RpcError as error:
        return bool(error.code() is grpc.StatusCode.UNIMPLEMENTED)
    finally:
        listening.stop(None)
    return False


@pytest.fixture(scope="module")
def generations() -> tuple[ServerCertificates, ServerCertificates]:
    today = datetime.now(UTC)
    first = renewed(None, [NAME], common_name="appmesh-controller-ca", now=today - timedelta(days=3000))
    return first, renewed(first, [NAME], common_name="appmesh-controller-ca", now=today)


def test_those_who_know_either_authority_connect(generations: tuple[ServerCertificates, ServerCertificates]) -> None:
    first, second = generations
    assert first.authority != second.authority
    assert accepts(second.server, first.authority)
    assert accepts(second.server, second.authority)


def test_nobody_else_does(generations: tuple[ServerCertificates, ServerCertificates]) -> None:
    _, second = generations
    assert not accepts(second.server, create_authority("appmesh-controller-ca", now=datetime.now(UTC)))
