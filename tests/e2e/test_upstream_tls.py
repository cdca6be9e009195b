"""TLS towards upstreams: the name that is asked for, and who is trusted."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crossfade.compile.model import ClientTls, Cluster, Discovery, Endpoint
from tests.support.certificates import KeyPair, self_signed
from tests.support.envoy import Backend, backend, running_envoy
from tests.support.models import ORIGIN, proxy_model, route_to

pytestmark = pytest.mark.envoy


@asynccontextmanager
async def tls_backend(pair: KeyPair, folder: Path, names: list[str | None]) -> AsyncIterator[Backend]:
    """Notes the server names that clients ask for."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_text(pair.certificate)
    key.write_text(pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _, name, __: names.append(name)
    async with backend("ok", tls=context) as made:
        yield made


@pytest.mark.parametrize(
    ("trusted", "server_name", "status"),
    [
        (None, "a.test", 200),
        ("the right one", "a.test", 200),
        ("another", "a.test", 503),
        ("the right one", "b.test", 503),
    ],
)
async def test_who_is_trusted(trusted: str | None, server_name: str, status: int, tmp_path: Path) -> None:
    right, another = self_signed("a.test"), self_signed("a.test")
    authorities = {None: None, "the right one": right.certificate, "another": another.certificate}
    tls = ClientTls(server_name, authorities[trusted])
    names: list[str | None] = []
    async with running_envoy(tmp_path) as envoy, tls_backend(right, tmp_path, names) as target:
        cluster = Cluster("a", Discovery.STATIC, (Endpoint("127.0.0.1", target.port),), ORIGIN, tls=tls)
        envoy.publish(proxy_model(route_to("a"), clusters=(cluster,), port=envoy.port))
        await envoy.until_status(status)
        assert set(names) == {server_name}
