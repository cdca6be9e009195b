"""Domains outside of the mesh that a node may call: a real Envoy, real TLS, a name server that knows a few names.

The listener stands on a port of its own; so chains and routes are not told apart by the port that was meant.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from msgspec import structs

from crossfade.api.appmesh import Mesh, VirtualNode
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Direction
from crossfade.store.snapshot import Snapshot
from crossfade_kube.registry import decode
from tests.support.envoy import Backend, Harness, backend, running_envoy, until
from tests.support.name_server import name_server
from tests.support.tls import issue

pytestmark = pytest.mark.envoy

NAMES = {"api.test": "127.0.0.1", "eu.pay.test": "127.0.0.1", "web.test": "127.0.0.1", "deep.web.test": "127.0.0.1"}


class Outbound:
    """The sidecar of a node without backends; `api` speaks TLS, `web` HTTP."""

    def __init__(self, envoy: Harness, api: Backend, web: Backend) -> None:
        self._envoy = envoy
        self.api, self.web = api, web

    async def allow(self, domains: str) -> None:
        metadata = {
            "name": "caller",
            "namespace": "prod",
            "annotations": {"crossfade.dev/egress-domains": domains},
        }
        objects = [
            decode({"metadata": {"name": "m"}}, Mesh),
            decode({"metadata": metadata, "spec": {"meshRef": {"name": "m"}}}, VirtualNode),
        ]
        model = compile_mesh(Snapshot.of(objects), ArnScope())
        assert not model.diagnostics
        proxy = model.proxies["mesh/m/virtualNode/caller_prod"]
        outbound = next(one for one in proxy.listeners if one.direction is Direction.OUTBOUND)
        chains = tuple(structs.replace(chain, destination_port=None) for chain in outbound.chains)
        listener = structs.replace(outbound, address="127.0.0.1", port=self._envoy.port, chains=chains)
        self._envoy.publish(structs.replace(proxy, listeners=(listener,)))

    async def handshake(self, name: str) -> str:
        """How it ended."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            async with asyncio.timeout(60):
                _, writer = await asyncio.open_connection(
                    "127.0.0.1", self._envoy.port, ssl=context, server_hostname=name
                )
        except (ConnectionError, ssl.SSLError):
            return "closed"
        writer.close()
        return "connected"

    async def ask(self, host: str) -> tuple[int, str]:
        """Status and body; 0 while nobody listens."""
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.get(f"http://127.0.0.1:{self._envoy.port}/", headers={"Host": host}) as answer,
            ):
                return answer.status, await answer.text()
        except aiohttp.ClientConnectionError:
            return 0, ""


@pytest.fixture
async def outbound(tmp_path: Path) -> AsyncIterator[Outbound]:
    pair = issue("any")
    (tmp_path / "pair.pem").write_bytes(pair.certificate_pem + pair.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pair.pem")
    async with AsyncExitStack() as stack:
        port, _ = stack.enter_context(name_server(NAMES))
        api = await stack.enter_async_context(backend("api", tls=context))
        web = await stack.enter_async_context(backend("web"))
        envoy = await stack.enter_async_context(running_envoy(tmp_path, name_servers=(("127.0.0.1", port),)))
        yield Outbound(envoy, api, web)


async def test_tls_goes_where_the_server_name_says_and_nowhere_else(outbound: Outbound) -> None:
    port = outbound.api.port
    await outbound.allow(f"api.test:{port}, *.pay.test:{port}")

    async def follows() -> bool:
        return await outbound.handshake("api.test") == "connected"

    await until(follows)
    assert await outbound.handshake("eu.pay.test") == "connected"
    # Not looked up, no longer name of one that is, not to be found.
    for name in ("web.test", "x.api.test", "pay.test", "us.pay.test"):
        assert await outbound.handshake(name) == "closed"


async def test_http_goes_where_the_host_says_and_all_else_is_told(outbound: Outbound) -> None:
    port = outbound.web.port
    await outbound.allow(f"http://web.test:{port}\nhttp://*.web.test:{port}")

    async def follows() -> bool:
        return (await outbound.ask("web.test"))[0] == 200

    await until(follows)
    assert await outbound.ask(f"web.test:{port}") == (200, "web")
    assert await outbound.ask(f"WEB.test:{port}") == (200, "web")
    assert await outbound.ask(f"deep.web.test:{port}") == (200, "web")
    for host in ("api.test", f"api.test:{port}", "deep.web.test", "deep.web.test:1", "127.0.0.1"):
        status, text = await outbound.ask(host)
        assert status == 403
        assert text == (
            "virtual node prod/caller may not call this host: crossfade.dev/egress-domains does not name it\n"
        )
    assert (await outbound.ask(f"gone.web.test:{port}"))[0] == 503
