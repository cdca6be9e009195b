"""Whatever a client sends, up to the size that is taken, keeps nobody else waiting, and is answered; for real.

What a request makes is gone before the next one, and what it changes is as it was. Work is counted in the server's own
time on a processor, so that a busy machine changes nothing. More, and others each time: `make nightly`.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings

from tests.support.api_process import ApiClient, ApiProcess, Json

from . import hostile
from .hostile import Request
from .large_objects import (
    DEFINITIONS,
    DEPLOYMENTS,
    IN_DEFAULT,
    THINGS,
    config_map,
    deployment,
    pod_spec,
    with_more_fields,
)
from .test_hostile_input import MOST_S, OTHERS_WAIT_S, processor_slowness, things_definition

FEW = 15
MANY = 2_000
SETTLED_S = 60.0
AS_METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
SMALL_THING = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "small"}, "spec": {}}
PRESENT: tuple[tuple[str, Json], ...] = (
    (DEFINITIONS, with_more_fields(things_definition())),
    (THINGS, SMALL_THING),
    (f"{IN_DEFAULT}/serviceaccounts", {"metadata": {"name": "default"}}),
    (f"{IN_DEFAULT}/configmaps", config_map(5_000, "large")),
    (DEPLOYMENTS, deployment(pod_spec(2_000), "large")),
)


class Answered(NamedTuple):
    status: int
    text: str
    cost_s: float
    others_waited_s: float
    """How much was done before another small request was answered meanwhile, at most."""


class Server:
    """Lives across requests, driven from tests that are no coroutines."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self._process = ApiProcess(folder)
        self._client: ApiClient = self._runner.run(self._process.start())
        self._versions: dict[str, str] = {}
        self._runner.run(self._as_it_was())

    def answer(self, *requests: Request) -> list[Answered]:
        """Of requests one after the other."""
        return self._runner.run(self._answer_all(requests))

    async def _answer_all(self, requests: tuple[Request, ...]) -> list[Answered]:
        made = []
        found = []
        for request in requests:
            answered, answer = await self._answer(request)
            found.append(answered)
            if answered.status == 201:
                made.append(f"{request.path.partition('?')[0]}/{answer['metadata']['name']}")
                await self._served(made[-1], answer)
        for path in reversed(made):
            await self._take_away(path)
        if any(request.method != "GET" for request in requests):
            await self._as_it_was()
        return found

    async def _answer(self, request: Request) -> tuple[Answered, Any]:
        before, longest = self._process.cpu_s(), 0.0
        sent = asyncio.create_task(
            self._client.send(
                request.method, request.path, request.body, content_type=request.content_type, accept=request.accept
            )
        )
        while not sent.done():
            asked = self._process.cpu_s()
            assert (await self._client.send("GET", "/version"))[0] == 200
            longest = max(longest, self._process.cpu_s() - asked)
            # Asking costs the server as well.
            await asyncio.wait([sent], timeout=0.05)
        status, answer = await sent
        return Answered(status, str(answer)[:300], self._process.cpu_s() - before, longest), answer

    async def _served(self, path: str, made: Json) -> None:
        if path.startswith(DEFINITIONS):
            group, names = made["spec"]["group"], made["spec"]["names"]
            await self._until(f"/apis/{group}/{made['spec']['versions'][0]['name']}/{names['plural']}", 200)

    async def _take_away(self, path: str) -> None:
        # What has finalizers stays until nobody waits for it any more.
        await self._client.send("PATCH", path, {"metadata": {"finalizers": None}}, content_type=hostile.MERGE_PATCH)
        await self._client.send("DELETE", f"{path}?gracePeriodSeconds=0")
        await self._until(path, 404)

    async def _as_it_was(self) -> None:
        for collection, obj in PRESENT:
            path = f"{collection}/{obj['metadata']['name']}"
            status, found = await self._client.send("GET", path, accept=AS_METADATA)
            if status == 200:
                if found["metadata"]["resourceVersion"] == self._versions.get(path):
                    continue
                await self._take_away(path)
            made = await self._client.create(collection, obj)
            await self._served(path, made)
            self._versions[path] = (await self._client.get(path))["metadata"]["resourceVersion"]

    async def _until(self, path: str, status: int) -> None:
        async with asyncio.timeout(SETTLED_S):
            while (await self._client.send("GET", path, accept=AS_METADATA))[0] != status:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.01)

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
@given(requests=hostile.REQUESTS)
def test_nobody_waits(server: Server, requests: tuple[Request, ...]) -> None:
    slowness = processor_slowness()
    for answered in server.answer(*requests):
        event(f"{answered.status // 100}xx")
        assert answered.status < 500 or "etcdserver: request is too large" in answered.text, answered
        assert answered.cost_s < MOST_S * slowness, answered
        assert answered.others_waited_s < OTHERS_WAIT_S * slowness, answered
