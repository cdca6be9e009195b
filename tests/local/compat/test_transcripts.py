"""What a real Kubernetes 1.36 control plane answered (recorded in `transcripts/`), replayed with kubectl against ours.

Each worker starts one API server, the controllers, and a node that only pretends to run pods.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

RECORDINGS = Path(__file__).parent / "transcripts"
KUBECTL = Path(sys.executable).parent / "kubectl"
FORGET_AFTER_S = "4"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    data = tmp_path_factory.mktemp("cluster")
    path = data / "kubeconfig"
    with ExitStack() as processes:
        server = _start(processes, "crossfade_local.apiserver", "--data-dir", str(data), "--history", FORGET_AFTER_S)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        for module in ("crossfade_local.controllers", "tests.support.fake_kubelet"):
            _start(processes, module, "--kubeconfig", str(path))
        yield path


def _start(processes: ExitStack, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE)
    processes.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_recording_is_reproduced(recording: Path, kubeconfig: Path) -> None:
    result = subprocess.run(
        [sys.executable, RECORDINGS / "replay.py", "--quiet", "--kubectl", KUBECTL, kubeconfig, recording],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
