"""`crossfade proxy`, as a pod runs it: ready when configured, known by its token, gone without losing a request."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.auth import NotAuthenticatedError, ServerKeyPair, always, bearer_token, tls_credentials
from crossfade.xds.publisher import Publisher
from crossfade.xds.server import AdsServer
from tests.support.certificates import self_signed
from tests.support.envoy import backend, get, until
from tests.support.models import local_cluster, proxy_model, route_to
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy


@asynccontextmanager
async def proxy(*arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    common = {"ENVOY_LOG_LEVEL": "critical", "POD_NAME": "pod", "POD_NAMESPACE": "ns"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossfade.cli", "proxy", *arguments),
        env=os.environ | common | environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_gateway_is_ready_once_configured_and_drains_before_it_ends(tmp_path: Path) -> None:
    publisher = Publisher()
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("gateway"))
    port, admin_port, status_port = free_ports(3)
    settings = {
        "CROSSFADE_ADS_ADDRESS": f"127.0.0.1:{server.port}",
        "CROSSFADE_STATUS_PORT": str(status_port),
        "ENVOY_ADMIN_ACCESS_PORT": str(admin_port),
        "TMPDIR": str(tmp_path),
    }
    async with (
        aiohttp.ClientSession() as http,
        backend("late", waits=True) as slow,
        proxy("--gateway", **settings) as process,
    ):

        async def is_connected() -> bool:
            return publisher.connected() == {"gateway": ["ns/pod"]}

        async def is_ready() -> bool:
            return (await get(http, status_port, "/status")).status == 200

        async def is_draining() -> bool:
            return (await get(http, status_port, "/status/ready")).status == 503

        await until(is_connected)
        assert not await is_ready()
        model = proxy_model(route_to("a"), clusters=(local_cluster("a", slow.port),), port=port)
        publisher.publish("gateway", resources_from_model(model, options=EnvoyOptions()))
        await until(is_ready)
        assert "envoy_server_live" in (await get(http, status_port, "/metrics")).body
        assert (await get(http, status_port, "/quitquitquit")).status == 404
        request = asyncio.create_task(get(http, port))
        await asyncio.wait_for(slow.was_asked.wait(), 10)
        # To the whole group, as some container runtimes do it.
        os.killpg(process.pid, signal.SIGTERM)
        await until(is_draining)
        slow.answers.set()
        assert await request == (200, "late")
        assert await asyncio.wait_for(process.wait(), 10) == 0
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - of two rules this breaks the lesser
    await server.stop()


async def test_a_sidecar_shows_its_renewed_token_over_tls(tmp_path: Path) -> None:
    made = self_signed("localhost")
    pair = ServerKeyPair(made.key.encode(), made.certificate.encode())
    token, tokens = tmp_path / "token", []

    async def authenticate(metadata: Mapping[str, str]) -> str:
        tokens.append(bearer_token(metadata))
        if tokens[-1] == "expired":
            raise NotAuthenticatedError("the token has expired")
        return "sidecar"

    publisher = Publisher()
    server = await AdsServer.start(
        publisher=publisher, address="127.0.0.1:0", authenticate=authenticate, credentials=tls_credentials(lambda: pair)
    )
    token.write_text("expired\n")
    settings = {
        "CROSSFADE_ADS_ADDRESS": f"localhost:{server.port}",
        "CROSSFADE_ADS_CA": pair.chain_pem.decode(),
        "CROSSFADE_ADS_TOKEN_FILE": str(token),
        "ENVOY_ADMIN_ACCESS_PORT": str(free_ports(1)[0]),
    }
    async with proxy(**settings) as process:

        async def was_refused() -> bool:
            return "expired" in tokens

        async def is_connected() -> bool:
            return publisher.connected() == {"sidecar": ["ns/pod"]}

        await until(was_refused)
        token.write_text("good\n")
        # Any signal makes the proxy look at its files; else it does so every few seconds.
        process.send_signal(signal.SIGUSR1)
        await until(is_connected)
        assert set(tokens) == {"expired", "good"}
    await server.stop()


async def test_a_killed_proxy_leaves_nothing_for_long(tmp_path: Path) -> None:
    token, folders = tmp_path / "token", tmp_path / "tmp"
    token.write_text("good")
    folders.mkdir()
    settings = {"CROSSFADE_ADS_ADDRESS": "127.0.0.1:1", "CROSSFADE_ADS_TOKEN_FILE": str(token), "TMPDIR": str(folders)}

    async def run_until_it_holds_its_token() -> tuple[Path, ...]:
        async with proxy(**settings, ENVOY_ADMIN_ACCESS_PORT=str(free_ports(1)[0])):

            async def holds() -> bool:
                return any(path not in before for path in folders.glob("*/envoy.json"))

            before = set(folders.glob("*/envoy.json"))
            await until(holds)
            files = tuple(folders.glob("*/*"))
            assert {path.name for path in files} == {"envoy.json", "token.json"}
            assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
            return files

    first = await run_until_it_holds_its_token()
    assert len(first) == 2
    second = await run_until_it_holds_its_token()
    assert len(second) == 2
    assert not set(first) & set(second)

    async def nobody_uses_them() -> bool:
        return not any(str(folders).encode() in line for line in command_lines())

    await until(nobody_uses_them)


def command_lines() -> Iterator[bytes]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield (process / "cmdline").read_bytes()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "CROSSFADE_ADS_ADDRESS is not set"),
        ({"CROSSFADE_ADS_ADDRESS": "nonsense"}, "must be host:port"),
        ({"CROSSFADE_ADS_ADDRESS": "a:1", "CROSSFADE_ADS_TOKEN_FILE": "/none"}, "cannot read the token /none"),
        ({"CROSSFADE_ADS_ADDRESS": "a:1", "ENVOY_CONCURRENCY": "many"}, "ENVOY_CONCURRENCY is 'many'"),
    ],
)
async def test_a_wrong_setting_is_explained(settings: dict[str, str], text: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossfade.cli", "proxy"), env=os.environ | settings, stderr=asyncio.subprocess.PIPE
    )
    _, stderr = await process.communicate()
    assert process.returncode == 1
    assert text in stderr.decode()
