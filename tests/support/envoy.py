"""A real Envoy under an ADS server of its own, on free ports; and backends to send requests to."""

import asyncio
import json
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp

from crossfade.compile.model import ProxyModel
from crossfade.envoy.bootstrap import AdsPeer, bootstrap
from crossfade.envoy.resource_set import ResourceSet
from crossfade.envoy.resources import resources_from_model
from crossfade.envoy.settings import EnvoyOptions
from crossfade.envoy.telemetry.counted import CountedViews
from crossfade.policy_module.path import policy_library_path
from crossfade.proxy.counting import counting
from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.preload import preload
from crossfade.xds.auth import always
from crossfade.xds.publisher import Publisher, Rejection, Subscription
from crossfade.xds.server import AdsServer
from tests.support.ports import free_ports

PROXY = "proxy"


class Answer(NamedTuple):
    """`status` 0: the connection was refused, or closed without an answer."""

    status: int
    body: str = ""


async def get(http: aiohttp.ClientSession, port: int, path: str = "/") -> Answer:
    try:
        async with http.get(f"http://127.0.0.1:{port}{path}") as response:
            return Answer(response.status, await response.text())
    except aiohttp.ClientConnectionError:
        return Answer(0)


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 60) -> None:
    """Fails the test when `condition` does not come true within the time."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.005)


class Harness:
    """Models are expected to listen on `port`."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        workdir: Path,
        sds_socket: str = "",
        name_servers: tuple[tuple[str, int], ...] = (),
        identities: AdsPeer | None = None,
        *,
        has_library: bool = False,
    ) -> None:
        self._workdir = workdir
        self._has_library = has_library
        self._views = CountedViews()
        self._model: ProxyModel | None = None
        self._name_servers = name_servers
        self._identities = identities
        self._sds_socket = sds_socket
        self._process: EnvoyProcess | None = None
        self.port, self.admin_port, self._ads_port = free_ports(3)
        self.rejections: list[Rejection] = []
        self._http = http
        self._server: AdsServer | None = None

    async def start_control_plane(self) -> None:
        """Anew, on the same port, knowing nothing of what was before."""
        self.publisher = Publisher(on_rejected=self.rejections.append, view=self._seen_by)
        self._server = await AdsServer.start(
            publisher=self.publisher, address=f"127.0.0.1:{self._ads_port}", authenticate=always(PROXY)
        )

    async def stop_control_plane(self) -> None:
        if self._server is not None:
            await self._server.stop()
            self._server = None

    def start_envoy(self) -> None:
        ads = AdsPeer("127.0.0.1", self._ads_port)
        counts = counting(os.environ, self._workdir) if self._has_library else {}
        made = bootstrap(
            node_id="test/envoy",
            ads=ads,
            admin_port=self.admin_port,
            sds_socket=self._sds_socket,
            name_servers=self._name_servers,
            identities=self._identities,
            is_sidecar=True,
            has_counts_module=bool(counts),
        )
        text = json.dumps(made)
        self._process = EnvoyProcess.start(
            text, workdir=self._workdir, log_level="critical", environment={**counts, **preload(os.environ)}
        )

    @property
    def pid(self) -> int:
        """Of the running Envoy."""
        assert self._process is not None
        return self._process.pid

    async def stop_envoy(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    async def restart_envoy(self) -> None:
        """A new one that remembers nothing."""
        await self.stop_envoy()
        self.start_envoy()

    def publish(self, model: ProxyModel) -> None:
        self.publish_made(model, resources_from_model(model, options=EnvoyOptions(policy_library_path())))

    def publish_made(self, model: ProxyModel, resources: ResourceSet) -> None:
        self._model = model
        self.publisher.publish(PROXY, resources)

    def _seen_by(self, stream: Subscription, resources: ResourceSet) -> ResourceSet:
        if self._model is None:
            return resources
        return self._views.of(stream.proxy, self._model, resources, stream.features)

    async def get(self, path: str = "/") -> Answer:
        return await get(self._http, self.port, path)

    async def ask_admin(self, path: str) -> str:
        return (await get(self._http, self.admin_port, path)).body

    async def statistic(self, name: str) -> int | None:
        """One of Envoy's counters or gauges; None where it has never been needed."""
        page = await self.ask_admin(f"/stats?filter=^{name}$")
        return int(page.partition(": ")[2]) if page.strip() else None

    async def until_body(self, body: str) -> None:
        async def answered() -> bool:
            return (await self.get()).body == body

        await until(answered)

    async def until_status(self, status: int) -> None:
        async def answered() -> bool:
            return (await self.get()).status == status

        await until(answered)


@asynccontextmanager
async def running_envoy(
    workdir: Path,
    *,
    sds_socket: str = "",
    name_servers: tuple[tuple[str, int], ...] = (),
    identities: AdsPeer | None = None,
    has_library: bool = False,
) -> AsyncIterator[Harness]:
    """Ends Envoy and the server, whatever happens. With `has_library` it counts by the library `counts`."""
    async with aiohttp.ClientSession() as http:
        harness = Harness(http, workdir, sds_socket, name_servers, identities, has_library=has_library)
        await harness.start_control_plane()
        harness.start_envoy()
        try:
            yield harness
        finally:
            await harness.stop_envoy()
            await harness.stop_control_plane()


class Backend:
    """An HTTP server that answers every request with its name, at once or when `answers` is set.

    `head` is the beginning of the last request, in lower case; `raw_head` as it was sent.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.port = 0
        self.head = self.raw_head = ""
        self.was_asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                self.raw_head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.head = self.raw_head.lower()
                self.was_asked.set()
                await self.answers.wait()
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(self._name)}\r\n\r\n{self._name}".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def backend(name: str, *, waits: bool = False, tls: ssl.SSLContext | None = None) -> AsyncIterator[Backend]:
    made = Backend(name)
    if not waits:
        made.answers.set()
    server = await asyncio.start_server(made.handle, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
