"""The embedded cluster of an ordinary user, without a helper for further uids."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

import crossfade
from tests.support.ports import free_ports

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
    pytest.mark.skipif(
        not Path(f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}").exists(),
        reason="no interpreter of this version that every user can reach",
    ),
]
NOBODY = 65534
BECOME_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# Large, and of no use to a cluster without a mesh.
NOT_COPIED = shutil.ignore_patterns("envoy", "kubernetes_validate", "*mypy*", "__pycache__")


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of nobody's: pytest's own ones are closed to others."""
    directory = Path(tempfile.mkdtemp(prefix="crossfade-"))
    os.chown(directory, NOBODY, NOBODY)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def python(home: Path) -> Path:
    """An interpreter that nobody may run, with the packages of this one."""
    system = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run([system, "-m", "venv", "--without-pip", home / "venv"], check=True)
    source = reachable(Path(crossfade.__file__).parents[1], copy=home / "venv/source")
    packages = reachable(Path(sysconfig.get_path("purelib")), copy=home / "venv/packages")
    (own_packages,) = (home / "venv/lib").glob("python*/site-packages")
    (own_packages / "paths.pth").write_text(f"{source}\n{packages}\n")
    return home / "venv/bin/python"


def reachable(folder: Path, *, copy: Path) -> Path:
    """The folder, or a copy where others cannot enter it, as in a clone that lies in root's home."""
    if subprocess.run([*BECOME_NOBODY, "test", "-r", folder], check=False).returncode == 0:
        return folder
    shutil.copytree(folder, copy, symlinks=True, ignore=NOT_COPIED)
    return copy


def run(python: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BECOME_NOBODY, str(python), "-m", "crossfade.cli", *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=60,
        cwd=home,
    )


def test_ordinary_user_runs_a_cluster(home: Path, python: Path) -> None:
    ports = free_ports(3)
    options = [f"--{name}-port={port}" for name, port in zip(("api", "http", "https"), ports, strict=True)]
    kubectl = [str(Path(sys.executable).parent / "kubectl"), "--kubeconfig", str(home / ".crossfade/kubeconfig")]
    up = run(python, home, "up", "--detach", "--bare", *options)
    try:
        assert up.returncode == 0, up.stderr
        assert "single uid" in up.stderr
        subprocess.run([*kubectl, "create", "deployment", "dj", "--image=crossfade/djapp:v1"], check=True)
        expose = ["expose", "deployment", "dj", "--port=80", "--target-port=9080", "--type=LoadBalancer"]
        subprocess.run([*kubectl, *expose], check=True)
        subprocess.run([*kubectl, "rollout", "status", "deployment/dj", "--timeout=20s"], check=True)
        assert _answers(f"http://127.0.0.1:{ports[1]}/ping")
        shown = subprocess.run(
            [*kubectl, "exec", "deploy/dj", "--", "hostname"], capture_output=True, text=True, check=True
        )
        assert shown.stdout.startswith("dj-")
    finally:
        down = run(python, home, "down")
    assert (down.returncode, down.stderr) == (0, "stopped\n")


def _answers(url: str) -> bool:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            return bool(urllib.request.urlopen(url, timeout=2).status == 200)
        except OSError:
            time.sleep(0.05)
    return False
