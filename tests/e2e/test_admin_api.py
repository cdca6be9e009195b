"""Kong's Admin API of `crossfade gateway run`: what tools read, and that reading is all they can do."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import eventually, running_gateway, upstream
from tests.support.ports import free_ports
from tests.unit.explain.manifests import SHOP

pytestmark = pytest.mark.envoy


def ask(port: int, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, Any]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            body = response.read()
            return response.status, json.loads(body) if body else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_what_is_served_can_be_read(tmp_path: Path) -> None:
    (admin,) = free_ports(1)
    with upstream("web") as port:
        (tmp_path / "shop.yaml").write_text(SHOP.replace("9080", str(port)))
        with running_gateway(tmp_path, "--admin-port", str(admin)) as gateway:
            assert ask(admin, "/status/ready") == (200, {"message": "ready"})
            assert ask(admin, "/")[1]["version"] == "3.9.1"
            assert gateway.get("/shop/deals/x").status == 200
            eventually(lambda: ask(admin, "/status")[1]["server"]["total_requests"] == 1)
            assert ask(admin, "/status")[1]["configuration_hash"] != "0" * 32
            assert "default.shop.web..80" in {route["name"] for route in ask(admin, "/routes")[1]["data"]}
            assert ask(admin, "/upstreams/web.default.80.svc/health")[1]["data"][0]["health"] == "HEALTHCHECKS_OFF"
            assert ask(admin, "/services", "POST")[0] == 405
            assert ask(admin, "/services", host="evil.test")[0] == 403
            (tmp_path / "shop.yaml").unlink()
            eventually(lambda: ask(admin, "/routes")[1]["data"] == [])
            assert ask(admin, "/status")[1]["configuration_hash"] == "0" * 32
            assert explained(admin)["answer"]["status"] == 404


def explained(admin: int) -> dict[str, Any]:
    """By the running gateway."""
    command = [sys.executable, "-m", "crossfade.cli", "explain", "GET", "http://a.test/shop", "--output", "json"]
    done = subprocess.run(
        [*command, "--admin", f"127.0.0.1:{admin}"], capture_output=True, text=True, timeout=60, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
