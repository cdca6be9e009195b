"""Bodies that request-size-limiting cuts off, as clients and a real Envoy send them."""

import socket
from collections.abc import Iterator

import pytest

from tests.e2e.policy_module.harness import DEADLINE_S, Gateway, echo_upstream, instance, route, tables

pytestmark = pytest.mark.envoy

ALLOWED = 100 * 1024


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    config = {"allowed_payload_size": 100, "size_unit": "kilobytes"}
    with echo_upstream() as port:
        routes = [route("/sized", instance("request-size-limiting", config))]
        gateway = Gateway(tmp_path_factory.mktemp("sizes"), port, tables(routes))
        try:
            gateway.start()
            yield gateway
        finally:
            gateway.stop()


@pytest.mark.parametrize(("size", "status"), [(ALLOWED, 200), (ALLOWED + 1, 413)])
def test_a_body_that_tells_its_length(gateway: Gateway, size: int, status: int) -> None:
    assert gateway.fetch("/sized", method="POST", body=b"x" * size).status == status


@pytest.mark.parametrize("size", [ALLOWED + 1, 3 * ALLOWED])
def test_a_longer_body_in_chunks_is_refused(gateway: Gateway, size: int) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=DEADLINE_S) as connection:
        head = ("POST /sized HTTP/1.1", "Host: gw.test", "Transfer-Encoding: chunked", "X-Echo-Delay-Ms: 3000", "", "")
        connection.sendall("\r\n".join(head).encode())
        for start in range(0, size, 10_000):
            length = min(10_000, size - start)
            connection.sendall(b"%x\r\n%s\r\n" % (length, b"x" * length))
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 Payload Too Large")
    assert b"Request size limit exceeded" in answer
