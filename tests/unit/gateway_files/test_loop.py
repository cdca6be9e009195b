"""The loop around the work: what it says of changes, and that nothing ends it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from crossfade.compile.diagnostics import Severity
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.envoy.resource_set import ResourceType
from crossfade.envoy.settings import EnvoyOptions
from crossfade.gateway_files.loop import FilesLoop
from crossfade.gateway_files.message import Message
from crossfade.gateway_files.schemas import Schemas
from crossfade.gateway_files.work import Outcome, Work
from crossfade.install.gateway import gateway_crd
from crossfade.xds.gateway import PROXY
from crossfade.xds.publisher import Subscription
from crossfade.xds.session import Rejected
from tests.support.waiting import eventually
from tests.unit.gateway_files.manifests import INGRESS, PLUGIN, SERVICE


class FragileWork(Work):
    """Fails while a file is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, CompileSettings(), EnvoyOptions(), Schemas(gateway_crd))
        self._trap = folder / "fail.yaml"

    def step(self, names: Iterable[str] | None) -> Outcome | None:
        if self._trap.exists():
            raise LookupError("a fault")
        return super().step(names)


class Running:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[Message] = []
        self.loop = FilesLoop(folder, FragileWork(folder), self.said.append)
        self.proxy: Subscription = self.loop.publisher.connect(PROXY)

    def takes(self) -> None:
        resources = self.proxy.resources
        assert resources is not None
        self.proxy.settle(resources)

    async def until_said(self, text: str) -> Message:
        await eventually(lambda: any(text in message.text for message in self.said), what=f"{text}: {self.said}")
        return next(message for message in self.said if text in message.text)

    async def until_sent(self) -> None:
        await eventually(lambda: not self.loop.publisher.is_taken(PROXY))


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    """Ready, with one Service."""
    (folder / "web.yaml").write_text(SERVICE)
    (folder / "limit.yaml").write_text(PLUGIN % '"x"')
    one = Running(folder)
    task = asyncio.create_task(one.loop.run())
    try:
        await one.loop.until_published()
        one.takes()
        await one.loop.until_taken()
        one.loop.say_ready(["http://127.0.0.1:1"])
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_ready_says_what_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        (message,) = (each for each in one.said if each.text.endswith("ready"))
        assert message.text == "http://127.0.0.1:1, 2 files, 1 with errors: ready"


async def test_a_change_is_live_when_the_proxy_has_taken_it(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        (tmp_path / "route.yaml").write_text(INGRESS % "/x")
        await one.until_sent()
        assert not any("live" in message.text for message in one.said)
        one.takes()
        message = await one.until_said("live after")
        assert message.text.startswith("1 object changed (Ingress default/web): live after ")


async def test_a_change_that_means_nothing_to_envoy_is_told_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        (tmp_path / "s.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n")
        message = await one.until_said("nothing changes")
        assert message.text == "1 object changed (Secret default/s): nothing changes for Envoy"


async def test_what_envoy_refuses_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as one:
        (tmp_path / "route.yaml").write_text(INGRESS % "/x")
        await one.until_sent()
        resources = one.proxy.resources
        assert resources is not None
        name, resource = next(iter(resources.of(ResourceType.EXTENSION).items()))
        one.proxy.report(Rejected(ResourceType.EXTENSION, name, resource, "a\nb"))
        one.takes()
        assert (await one.until_said("refused extension")).text.endswith(": a b")
        await one.until_said("but for what Envoy refused")


async def test_a_fault_costs_the_change_that_showed_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as one:
        with caplog.at_level(logging.ERROR):
            (tmp_path / "fail.yaml").write_text(INGRESS % "/x")
            message = await one.until_said("a fault keeps changes from going live")
        assert message.severity is Severity.ERROR
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is LookupError
        (tmp_path / "fail.yaml").rename(tmp_path / "route.yaml")
        await one.until_sent()
        one.takes()
        await one.until_said("1 object changed (Ingress default/web): live after ")
