"""One API server process per test, each with a data directory and a port of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_process import ApiClient, ApiProcess


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[ApiProcess]:
    server = ApiProcess(tmp_path / "data", "--kubelet-socket", str(tmp_path / "kubelet.sock"))
    yield server
    await server.stop()


@pytest.fixture
async def client(process: ApiProcess) -> AsyncIterator[ApiClient]:
    found = await process.start()
    yield found
    await found.close()
