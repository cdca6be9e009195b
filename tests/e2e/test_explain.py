"""`crossfade explain` says what a running gateway does: the same manifests, the same requests, the same answers."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import running_gateway, upstream
from tests.unit.explain.manifests import SHOP

pytestmark = pytest.mark.envoy

REQUESTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/shop", {}),
    ("/shop", {"apikey": "wrong"}),
    ("/shop/deals/today", {}),
    ("/shop", {"apikey": "s3cret"}),
    ("/secure", {}),
    ("/broken", {}),
    ("/empty", {}),
    ("/elsewhere", {}),
    ("/shop%2f", {}),
)


def explained(folder: Path, url: str, headers: dict[str, str]) -> dict[str, Any]:
    options = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = [sys.executable, "-m", "crossfade.cli", "explain", "GET", url, *options, "-f", str(folder)]
    done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_is_explained_is_what_happens(tmp_path: Path) -> None:
    with upstream("web") as port:
        (tmp_path / "shop.yaml").write_text(SHOP.replace("9080", str(port)))
        with running_gateway(tmp_path) as gateway:
            for path, headers in REQUESTS:
                found = explained(tmp_path, f"http://127.0.0.1:{gateway.port}{path}", headers)
                real = gateway.get(path, headers)
                if found["forwarded"] is not None:
                    assert (real.status, real.body) == (200, "web"), path
                    assert found["service"]["endpoints"] == [f"127.0.0.1:{port}"]
                    continue
                assert found["answer"]["status"] == real.status, path
                assert _message(found["answer"]["body"]) == _message(real.body), path


def _message(body: str) -> str:
    """Without the request's id; what stands for Envoy's own answer has the text alone."""
    found = re.search(r'"message": *"([^"]*)"', body)
    return found[1] if found else body
