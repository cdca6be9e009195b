"""An Envoy whose allocator has asked for huge pages."""

import asyncio
import re
from pathlib import Path

import pytest

from crossfade.proxy.envoy_process import EnvoyProcess
from crossfade.proxy.huge_pages import huge_pages
from tests.support.envoy import until

pytestmark = pytest.mark.envoy


async def test_the_allocator_has_asked(tmp_path: Path) -> None:
    """Even where this kernel would give none, or gives them unasked."""
    enabled = tmp_path / "enabled"
    enabled.write_text("always [madvise] never\n")
    environment = huge_pages({}, enabled=enabled)
    assert environment
    envoy = EnvoyProcess.start("{}", workdir=tmp_path, log_level="critical", environment=environment)
    try:

        async def has_asked() -> bool:
            maps = await asyncio.to_thread(Path(f"/proc/{envoy.pid}/smaps").read_text)
            return re.search(r"VmFlags:.* hg\b", maps) is not None

        await until(has_asked)
        assert envoy.poll() is None
    finally:
        envoy.kill()
        envoy.wait(10)
