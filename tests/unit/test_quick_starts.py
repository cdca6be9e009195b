"""What a process that somebody waits for must not import before it is needed: each costs a tenth of its start."""

import subprocess
import sys
from typing import Final

import pytest

_NEEDED_LATER: Final = {
    "crossfade.gateway_files.run": ("aiohttp", "crossfade.gateway_files.serving", "crossfade.compile.gateway.compiler"),
    "crossfade.gateway_files.serving": (
        "aiohttp",
        "crossfade.compile.mesh.pipeline",
        "crossfade.explain.explainer",
        "crossfade.install.gateway_chart",
    ),
    "crossfade.controller.mesh.role": ("crossfade.compile.gateway.compiler", "crossfade.explain.explainer"),
    "crossfade.controller.gateway.role": (
        "crossfade.admin_api.server",
        "crossfade.compile.mesh.pipeline",
        "crossfade.install.gateway_chart",
    ),
    "crossfade_local.node": ("aiohttp", "cryptography", "yaml", "crossfade_local.node_parts"),
}


@pytest.mark.parametrize("module", sorted(_NEEDED_LATER))
def test_what_is_needed_later_is_imported_later(module: str) -> None:
    asked = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, timeout=120)
    assert not set(_NEEDED_LATER[module]) & set(done.stdout.split())
