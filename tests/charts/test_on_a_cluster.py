"""The charts on the embedded cluster, with a real Helm."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.documentation import ROOT, commands_in
from tests.support.helm import helm_program

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.envoy,
    pytest.mark.skipif(helm_program() is None, reason="there is no Helm; `make test-charts` builds one"),
]
PAGE = "docs/how-to/install-with-helm.md"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[EmbeddedCluster]:
    with embedded_cluster(tmp_path / "data", "--bare") as started:
        yield started


def test_every_command_of_the_page_works(cluster: EmbeddedCluster) -> None:
    programs = (str(Path(helm_program() or "").parent), str(Path(sys.executable).parent), os.environ["PATH"])
    done = subprocess.run(
        ["bash", "-c", "\n".join(["set -eu", *commands_in(PAGE)])],
        cwd=ROOT,
        env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "PATH": ":".join(programs)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "kongplugins.configuration.konghq.com" in done.stdout
