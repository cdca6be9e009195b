"""What Kubernetes refuses is refused, with the same words: objects with every field, each with one of them changed.

What a Kubernetes 1.36 answered is recorded; `validation/different.txt` names the cases in which the embedded cluster is
known to answer otherwise. A part of the cases is asked here, all of them with `--hypothesis-profile=nightly`.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.local.compat.validation.asking import prepare, verdicts
from tests.local.compat.validation.changes import cases
from tests.local.compat.validation.recorded import different, recorded
from tests.support.api_process import ApiClient, ApiProcess

_ONE_OF: int = 12


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[ApiClient]:
    server = ApiProcess(tmp_path / "data", "--kubelet-socket", str(tmp_path / "kubelet.sock"))
    found = await server.start()
    yield found
    await found.close()
    await server.stop()


async def test_refusals_are_those_of_kubernetes(client: ApiClient, pytestconfig: pytest.Config) -> None:
    step = 1 if pytestconfig.getoption("--hypothesis-profile") == "nightly" else _ONE_OF
    wanted, known = recorded(), different()
    asked = [case for case in cases() if case.name in wanted][::step]

    async def post(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        return await client.send("POST", path, body)

    await prepare(post)
    found = await verdicts(post, asked)
    assert {name: verdict for name, verdict in found.items() if verdict != wanted[name] and name not in known} == {}
    assert {name for name, verdict in found.items() if verdict == wanted[name] and name in known} == set()
