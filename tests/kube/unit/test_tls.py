"""The client proves who it is and checks whom it talks to, over real TLS."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from crossfade_kube.client import Client
from crossfade_kube.errors import ApiUnreachable, Unauthorized
from crossfade_kube.kubeconfig import ClusterConfig
from tests.support.tls import Pair, issue


async def _whoami(request: web.Request) -> web.Response:
    assert request.transport is not None
    certificate = request.transport.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not names and token != "good":
        return web.json_response({"kind": "Status", "code": 401, "message": "Unauthorized"}, status=401)
    return web.json_response({"name": names[0] if names else "bearer"})


@pytest.fixture(scope="module")
def authority() -> Pair:
    return issue("ca")


@pytest.fixture
async def server(authority: Pair, tmp_path: Path) -> AsyncIterator[str]:
    pair = issue("server", authority)
    (tmp_path / "pair.pem").write_bytes(pair.certificate_pem + pair.key_pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.certificate_pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(tmp_path / "pair.pem")
    app = web.Application()
    app.router.add_get("/whoami", _whoami)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def _ask(config: ClusterConfig) -> str:
    async with Client(config) as client:
        return str((await client.request("GET", "/whoami"))["name"])


async def test_client_certificate(server: str, authority: Pair) -> None:
    mine = issue("admin", authority)
    config = ClusterConfig(
        server=server,
        ca_pem=authority.certificate_pem,
        client_certificate_pem=mine.certificate_pem,
        client_key_pem=mine.key_pem,
    )
    assert await _ask(config) == "admin"


async def test_bearer_token(server: str, authority: Pair) -> None:
    assert await _ask(ClusterConfig(server=server, ca_pem=authority.certificate_pem, token="good")) == "bearer"
    with pytest.raises(Unauthorized):
        await _ask(ClusterConfig(server=server, ca_pem=authority.certificate_pem, token="bad"))


async def test_a_server_that_cannot_prove_itself_gets_no_token(server: str) -> None:
    with pytest.raises(ApiUnreachable, match="certificate"):
        await _ask(ClusterConfig(server=server, ca_pem=issue("other").certificate_pem, token="good"))
    assert await _ask(ClusterConfig(server=server, verifies_server=False, token="good")) == "bearer"
