"""`crossfade proxy`, as a pod runs it: ready when configured, known by its token, gone without losing a request."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import pytest
from msgspec import structs

from crossfade.compile.model import Direction
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.xds.auth import NotAuthenticatedError, ServerKeyPair, always, bearer_token, tls_credentials
from crossfade.xds.publisher import Publisher, Subscription
from crossfade.xds.server import AdsServer
from tests.support.certificates import self_signed
from tests.support.envoy import backend, get, until
from tests.support.models import local_cluster, proxy_model, route_to
from tests.support.ports import free_ports

pytestmark = pytest.mark.envoy
# Of the launcher, within a minute.
MAX_RESTARTS: Final = 5


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
        "CROSSFADE_DRAIN_AT_LEAST_S": "1",
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


async def test_a_gateway_serves_whoever_has_not_heard_yet_that_it_ends(tmp_path: Path) -> None:
    """A node that goes on sending to it for three seconds, and seldom: quiet alone says nothing."""
    publisher = Publisher()
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("gateway"))
    port, admin_port, status_port = free_ports(3)
    settings = {
        "CROSSFADE_ADS_ADDRESS": f"127.0.0.1:{server.port}",
        "CROSSFADE_DRAIN_AT_LEAST_S": "4",
        "CROSSFADE_STATUS_PORT": str(status_port),
        "ENVOY_ADMIN_ACCESS_PORT": str(admin_port),
        "TMPDIR": str(tmp_path),
    }
    async with backend("app") as app, proxy("--gateway", **settings) as process:
        model = proxy_model(route_to("a"), clusters=(local_cluster("a", app.port),), port=port)
        publisher.publish("gateway", resources_from_model(model, options=EnvoyOptions()))

        async def ask() -> int:
            async with aiohttp.ClientSession() as http:
                return (await get(http, port)).status

        async def serves() -> bool:
            return await ask() == 200

        await until(serves)
        begun = asyncio.get_running_loop().time()
        process.terminate()
        # As kube-proxy's tables would: each request over a connection of its own.
        for after_s in (0.1, 1.6, 3.1):
            await asyncio.sleep(begun + after_s - asyncio.get_running_loop().time())
            assert await ask() == 200
        assert await asyncio.wait_for(process.wait(), 10) == 0
    await server.stop()


async def test_a_gateway_that_never_was_ready_ends_at_once(tmp_path: Path) -> None:
    admin_port, status_port = free_ports(2)
    settings = {
        "CROSSFADE_ADS_ADDRESS": "127.0.0.1:1",
        "CROSSFADE_STATUS_PORT": str(status_port),
        "ENVOY_ADMIN_ACCESS_PORT": str(admin_port),
        "TMPDIR": str(tmp_path),
    }
    async with aiohttp.ClientSession() as http, proxy("--gateway", **settings) as process:

        async def answers() -> bool:
            return (await get(http, admin_port, "/ready")).status == 503

        await until(answers)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 2) == 0


async def test_a_gateway_tells_its_settings_of_kong(tmp_path: Path) -> None:
    class Listening:
        def introduced(self, subscription: Subscription) -> None:
            told.append(dict(subscription.told))

        def left(self, subscription: Subscription) -> None:
            pass

    told: list[dict[str, str]] = []
    page = tmp_path / "page.html"
    page.write_text("<p>%s</p> ä")
    publisher = Publisher(peers=Listening())
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("gateway"))
    admin_port, status_port = free_ports(2)
    settings = {
        "CROSSFADE_ADS_ADDRESS": f"127.0.0.1:{server.port}",
        "ENVOY_ADMIN_ACCESS_PORT": str(admin_port),
        "KONG_STATUS_LISTEN": f"127.0.0.1:{status_port}",
        "KONG_PROXY_LISTEN": "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl",
        "KONG_ERROR_TEMPLATE_HTML": str(page),
        "KONG_SSL_CERT_KEY": "/etc/secret",
        "KONG_DATABASE": "off",
    }
    async with proxy("--gateway", **settings):

        async def has_told() -> bool:
            return bool(told)

        await until(has_told)
    assert told[0] == {
        "proxy_listen": settings["KONG_PROXY_LISTEN"],
        "error_template_html": "<p>%s</p> ä",
    }
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


async def test_a_sidecar_comes_back_to_a_control_plane_with_another_authority(tmp_path: Path) -> None:
    former, latter = (ServerKeyPair(made.key.encode(), made.certificate.encode()) for made in (
        self_signed("localhost"), self_signed("localhost")
    ))  # fmt: skip
    (port,) = free_ports(1)
    told = tmp_path / "ca.crt"
    settings = {
        "CROSSFADE_ADS_ADDRESS": f"localhost:{port}",
        "CROSSFADE_ADS_CA": former.chain_pem.decode(),
        "CROSSFADE_ADS_CA_FILE": str(told),
        "ENVOY_ADMIN_ACCESS_PORT": str(free_ports(1)[0]),
    }

    @asynccontextmanager
    async def control_plane(pair: ServerKeyPair) -> AsyncIterator[Publisher]:
        publisher = Publisher()
        address, shown = f"127.0.0.1:{port}", tls_credentials(lambda: pair)
        server = await AdsServer.start(
            publisher=publisher, address=address, authenticate=always("sidecar"), credentials=shown
        )
        try:
            yield publisher
        finally:
            await server.stop()

    async def connected(publisher: Publisher) -> bool:
        return publisher.connected() == {"sidecar": ["ns/pod"]}

    async with proxy(**settings) as process:
        async with control_plane(former) as publisher:
            await until(lambda: connected(publisher))
        async with control_plane(latter) as publisher:
            told.write_bytes(latter.chain_pem)
            process.send_signal(signal.SIGUSR1)
            await until(lambda: connected(publisher))
            assert process.returncode is None


class Sidecar(NamedTuple):
    """With an outbound and an inbound listener, both to one backend."""

    process: asyncio.subprocess.Process
    http: aiohttp.ClientSession
    outbound: int
    inbound: int
    admin: int
    state: Path

    async def ask(self, port: int) -> tuple[int, str, bool]:
        """Status (0 while nobody listens), body, and whether the connection is to be closed."""
        try:
            async with self.http.get(f"http://127.0.0.1:{port}/") as answer:
                return answer.status, await answer.text(), answer.headers.get("connection") == "close"
        except aiohttp.ClientConnectionError:
            return 0, "", True

    def envoy(self) -> int:
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(child)


@asynccontextmanager
async def sidecar(tmp_path: Path, **environment: str) -> AsyncIterator[Sidecar]:
    """Ready."""
    publisher = Publisher()
    server = await AdsServer.start(publisher=publisher, address="127.0.0.1:0", authenticate=always("sidecar"))
    outbound, inbound, admin = free_ports(3)
    settings = {
        "CROSSFADE_ADS_ADDRESS": f"127.0.0.1:{server.port}",
        "CROSSFADE_STATE_FOLDER": str(tmp_path / "state"),
        "ENVOY_ADMIN_ACCESS_PORT": str(admin),
        "TMPDIR": str(tmp_path),
    }
    async with (
        aiohttp.ClientSession() as http,
        backend("app") as app,
        proxy(**settings, **environment) as process,
    ):
        model = proxy_model(route_to("a"), clusters=(local_cluster("a", app.port),), port=outbound)
        (listener,) = model.listeners
        other = structs.replace(listener, name="inbound", port=inbound, direction=Direction.INBOUND)
        model = structs.replace(model, listeners=(structs.replace(listener, direction=Direction.OUTBOUND), other))
        publisher.publish("sidecar", resources_from_model(model, options=EnvoyOptions()))
        await until_true((tmp_path / "state/ready").exists)
        yield Sidecar(process, http, outbound, inbound, admin, tmp_path / "state")
    await server.stop()


async def until_true(condition: Callable[[], bool]) -> None:
    async def holds() -> bool:
        return condition()

    await until(holds)


async def test_an_envoy_that_ends_is_started_again_at_once(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as found:
        first = found.envoy()
        os.kill(first, signal.SIGKILL)

        async def serves_again() -> bool:
            return (await found.ask(found.outbound))[:2] == (200, "app") and found.envoy() != first

        await until(serves_again)
        found.process.terminate()
        assert await asyncio.wait_for(found.process.wait(), 10) == 0
        assert not found.state.exists()


async def test_an_envoy_that_ends_again_and_again_ends_the_container(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as found:
        killed = set[int]()
        while len(killed) <= MAX_RESTARTS:
            await until_true(lambda: bool(children_of(found.process.pid) - killed))
            (envoy,) = children_of(found.process.pid) - killed
            killed.add(envoy)
            os.kill(envoy, signal.SIGKILL)
        assert await asyncio.wait_for(found.process.wait(), 10) == 128 + signal.SIGKILL


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


async def test_peers_are_turned_away_when_the_end_is_announced_and_the_pods_own_calls_go_on(tmp_path: Path) -> None:
    async with sidecar(tmp_path) as found:
        assert await found.ask(found.inbound) == (200, "app", False)
        os.kill(int((found.state / "pid").read_text()), signal.SIGUSR2)

        async def turns_away() -> bool:
            return await found.ask(found.inbound) == (200, "app", True)

        await until(turns_away)
        assert await found.ask(found.outbound) == (200, "app", False)
        assert (await get(found.http, found.admin, "/ready")).status == 200
        assert found.process.returncode is None


async def test_a_classic_sidecar_stays_as_long_as_the_others_have_sockets(tmp_path: Path) -> None:
    """Here everything else on the machine is the pod's other containers, so it stays as long as it may."""
    loop = asyncio.get_running_loop()
    async with sidecar(tmp_path, CROSSFADE_WAIT_FOR_APP_S="6") as found:
        begun = loop.time()
        found.process.terminate()
        while loop.time() < begun + 4:
            assert (await found.ask(found.outbound))[:2] == (200, "app")
        assert await asyncio.wait_for(found.process.wait(), 10) == 0
        assert loop.time() < begun + 6 + 1


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
