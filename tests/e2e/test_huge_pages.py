"""An Envoy whose memory is on huge pages."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.preload import HUGE_PAGES, preload
from tests.support.envoy import until

pytestmark = pytest.mark.envoy


@contextmanager
def envoy(folder: Path, asked: str) -> Iterator[EnvoyProcess]:
    """Even where this kernel would give no huge pages, or gives them unasked."""
    enabled = folder / "enabled"
    enabled.write_text("always [madvise] never\n")
    environment = preload({HUGE_PAGES: asked}, enabled=enabled)
    assert environment
    process = EnvoyProcess.start("{}", workdir=folder, log_level="critical", environment=environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def advised(maps: str) -> list[str]:
    """Of the mappings that were advised, permissions and file."""
    found, header = [], ""
    for line in maps.splitlines():
        if re.match(r"[0-9a-f]+-", line):
            header = line
        elif line.startswith("VmFlags:") and "hg" in line.split():
            found.append(f"{header.split()[1]} {' '.join(header.split()[5:])}".strip())
    return found


async def until_advised(process: EnvoyProcess, *wanted: str) -> list[str]:
    """The program's mappings are advised before the allocator's, each in its own time."""
    seen: list[str] = []

    async def are_there() -> bool:
        assert process.poll() is None
        seen[:] = advised(await asyncio.to_thread(Path(f"/proc/{process.pid}/smaps").read_text))
        return set(wanted) <= set(seen)

    await until(are_there)
    return seen


async def test_the_allocator_has_asked(tmp_path: Path) -> None:
    with envoy(tmp_path, "") as process:
        assert "r-xp" not in await until_advised(process, "rw-p")


async def test_the_program_may_be_on_them_too(tmp_path: Path) -> None:
    with envoy(tmp_path, "all") as process:
        await until_advised(process, "r-xp", "rw-p")
