"""Whatever a client sends, up to the size that is taken, keeps nobody else waiting, and is answered.

Work is counted in the server's own time on a processor, so that a busy machine changes nothing. More, and others
each time: `make nightly`.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings

from tests.support.api_process import ApiClient, ApiProcess

from . import hostile
from .hostile import DEFINITIONS, DEPLOYMENTS, IN_DEFAULT, Request
from .test_hostile_input import MOST_S, OTHERS_WAIT_S, processor_slowness, things_definition

MEGABYTE = 1_000_000
"""What is written takes as long again for each of them: three of small values are some hundred thousand."""
FEW = 15
MANY = 2_000
SMALL_THING = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "small"}, "spec": {}}


class Server:
    """A server with some large objects, driven from tests that are no coroutines."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._process = ApiProcess(folder)
        self._client: ApiClient = self._runner.run(self._process.start())
        self._runner.run(self._fill())

    async def _fill(self) -> None:
        await self._client.create(DEFINITIONS, hostile.with_more_fields(things_definition()))
        await self._client.create(f"{IN_DEFAULT}/configmaps", hostile.config_map(5_000, "large"))
        await self._client.create(DEPLOYMENTS, hostile.deployment(hostile.pod_spec(2_000), "large"))
        await self._client.create(hostile.THINGS, SMALL_THING)

    def answer(self, request: Request) -> tuple[int, float, float]:
        """Its status, what it cost, and what was done before another small request was answered meanwhile, at most."""
        return self._runner.run(self._answer(request))

    async def _answer(self, request: Request) -> tuple[int, float, float]:
        before, longest = self._process.cpu_s(), 0.0
        sent = asyncio.create_task(self._send(request))
        while not sent.done():
            asked = self._process.cpu_s()
            assert (await self._client.send("GET", "/version"))[0] == 200
            longest = max(longest, self._process.cpu_s() - asked)
            # Asking costs the server as well.
            await asyncio.wait([sent], timeout=0.05)
        return await sent, self._process.cpu_s() - before, longest

    async def _send(self, request: Request) -> int:
        path = f"{request.path}{'&' if '?' in request.path else '?'}dryRun=All"
        status, _ = await self._client.send(request.method, path, request.body, content_type=request.content_type)
        return status

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.run(self._process.stop())
        self._runner.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("hostile") / "data")
    yield found
    found.close()


@settings(
    max_examples=MANY if settings.default.max_examples > 1_000 else FEW,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate],
)
@given(request=hostile.REQUESTS)
def test_nobody_waits(server: Server, request: Request) -> None:
    slowness = processor_slowness()
    status, cost, waited = server.answer(request)
    event(f"{status // 100}xx")
    assert status < 500
    assert cost < MOST_S * slowness * (1 + len(request.body or "") / MEGABYTE)
    assert waited < OTHERS_WAIT_S * slowness
