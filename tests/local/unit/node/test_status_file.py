"""What the node says of the cluster gets written as soon as it can be, and a full disk is told of once."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from crossfade_local.data_dir import read_json, write_json
from crossfade_local.status_file import StatusFile


@pytest.mark.asyncio
async def test_failures_are_told_once_and_so_is_their_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "absent" / "status.json"
    tries = 0

    def write(status: dict[str, object]) -> None:
        nonlocal tries
        tries += 1
        write_json(path, status)

    status = StatusFile(write, retry_s=0.01)
    for number in range(3):
        status.note({"number": number})
    async with asyncio.timeout(60):
        while tries < 10:  # noqa: ASYNC110 - what is awaited is a timer of its own
            await asyncio.sleep(0.01)
        assert caplog.messages == ["node.status_not_written"]
        path.parent.mkdir()
        while "node.status_written_again" not in caplog.messages:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert read_json(path) == {"number": 2}
    assert caplog.messages == ["node.status_not_written", "node.status_written_again"]


def test_what_can_be_written_is_there_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    status = StatusFile(partial(write_json, tmp_path / "status.json"))
    status.note({"ready": True})
    assert read_json(tmp_path / "status.json") == {"ready": True}
    assert not caplog.messages
