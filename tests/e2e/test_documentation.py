"""Every command of the documentation does what the page says: a newcomer can paste them from top to bottom."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from crossfade.demo.walkthrough import CHAPTERS, CLEAN_UP
from tests.support.documentation import ROOT, commands_in, files_in

STOP = "crossfade down >/dev/null 2>&1 || true; kill $(jobs -p) 2>/dev/null || true"
PAGES = (
    "docs/getting-started.md",
    "docs/gateway-without-a-cluster.md",
    "docs/operations.md",
    "docs/upgrades.md",
    "docs/how-to/behind-a-load-balancer.md",
    "docs/how-to/certificates.md",
    "docs/how-to/check-manifests.md",
    "docs/how-to/cloudwatch-and-x-ray.md",
    "docs/how-to/explain-a-request.md",
    "docs/how-to/migrate-from-kong.md",
    "docs/how-to/prometheus-and-grafana.md",
    "docs/how-to/trace-requests.md",
    "docs/how-to/read-the-admin-api.md",
    "docs/how-to/send-logs.md",
    "docs/how-to/watch-live-requests.md",
)
SET_UP = ("make setup", "export PATH=$PWD/.venv/bin:$PATH")


def go_caches() -> dict[str, str]:
    """The user's own, not those of the home that a page is tried in; none where there is no Go."""
    names = ("GOCACHE", "GOMODCACHE")
    if shutil.which("go") is None:
        return {}
    done = subprocess.run(["go", "env", *names], capture_output=True, text=True, check=True)
    return dict(zip(names, done.stdout.split("\n"), strict=False))


def test_the_walkthrough_page_is_what_the_walkthrough_test_runs() -> None:
    steps = [step.command for chapter in (*CHAPTERS, CLEAN_UP) for step in chapter.steps]
    assert commands_in("docs/walkthrough.md") == steps


def test_the_readme_names_the_two_commands_that_continuous_integration_runs() -> None:
    assert [command for command in commands_in("README.md") if command.startswith("make ")] == [
        "make demo",
        "make test",
    ]


@pytest.mark.cluster
@pytest.mark.envoy
@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_page_works(page: str, tmp_path: Path) -> None:
    if any("go install" in command for command in commands_in(page)) and shutil.which("go") is None:
        pytest.skip("the page builds a program with Go, which is not installed")
    for path, content in files_in(page).items():
        file = tmp_path / Path(path).relative_to("/tmp")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    commands = [command.replace("/tmp/", f"{tmp_path}/") for command in commands_in(page) if command not in SET_UP]
    script = "\n".join(["set -eu", f"trap '{STOP}' EXIT", *commands])
    own = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    # The path of a socket must be short.
    with tempfile.TemporaryDirectory() as runtime:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=ROOT,
            env=os.environ | go_caches() | own | {"XDG_RUNTIME_DIR": runtime},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
