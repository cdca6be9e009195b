"""The embedded cluster of an ordinary user, with one uid and with subordinate ones: run, hurt, ended."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.local.e2e.test_embedded_cluster import eventually
from tests.local.reliability import remains
from tests.local.reliability.faults import Fault
from tests.local.reliability.load import at_work
from tests.local.reliability.polling import until
from tests.local.reliability.trouble import Trouble
from tests.support.cluster import embedded_cluster
from tests.support.ordinary_user import FIRST_SUBORDINATE, SYSTEM_PYTHON, UID, ordinary_user
from tests.support.ports import free_ports

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user"),
    pytest.mark.skipif(not SYSTEM_PYTHON.exists(), reason="no interpreter of this version that every user can reach"),
]
APP_UID = 65534
"""Of the image that both applications run."""

WRITER = """
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 1337}
  terminationGracePeriodSeconds: 1
  containers:
    - name: writer
      image: crossfade/djapp:v1
      resources: {limits: {memory: 256Mi}}
      command: [sh, -c, mkdir -m 700 /volume/own && touch /volume/own/file; exec sleep infinity]
      readinessProbe: {exec: {command: [test, -f, /volume/own/file]}, periodSeconds: 1}
      volumeMounts: [{name: volume, mountPath: /volume}]
  volumes: [{name: volume, emptyDir: {}}]
"""


WITH_SUBORDINATES = pytest.mark.skipif(not shutil.which("newuidmap"), reason="the package uidmap is not installed")

BEGIN_AS_A_SUBORDINATE = """
export MARK=set
exec unshare --user --map-root-user --map-auto setpriv --reuid=7 --regid=7 --clear-groups sleep 120
"""
MEASURE = """
import sys
from tests.local.reliability.remains import descriptors_of, environment_of
from tests.local.reliability.samples import memory_of
pid = int(sys.argv[1])
print(environment_of(pid)["MARK"], descriptors_of(pid), memory_of(pid) > 0)
"""


@pytest.mark.parametrize(
    ("has_subordinate_ids", "mode", "inside", "on_the_machine"),
    [
        pytest.param(False, "rootless with a single uid", 0, UID, id="single"),
        pytest.param(
            True,
            "rootless",
            APP_UID,
            FIRST_SUBORDINATE + APP_UID - 1,
            id="subordinate",
            marks=WITH_SUBORDINATES,
        ),
    ],
)
def test_ordinary_user_runs_a_cluster(has_subordinate_ids: bool, mode: str, inside: int, on_the_machine: int) -> None:
    api_port, hit, calm = free_ports(3)
    with (
        ordinary_user(has_subordinate_ids=has_subordinate_ids) as user,
        embedded_cluster(user.home / "data", "--bare", api_port=api_port, run=user.crossfade) as cluster,
    ):
        assert json.loads((cluster.data_dir / "run/up.json").read_text())["mode"] == mode
        trouble = Trouble(cluster, api_port=api_port, app_ports=(hit, calm), seed=1)
        cluster.kubectl("apply", "-f", "-", stdin=WRITER)
        trouble.prepare()
        before = trouble.measure()
        assert cluster.kubectl("exec", "deploy/calm", "--", "id", "-u") == f"{inside}\n"
        assert Path(f"/proc/{trouble.victims.find('container')}").stat().st_uid == on_the_machine
        owner = "0:0" if not has_subordinate_ids else "1000:1337"
        assert cluster.kubectl("exec", "writer", "--", "stat", "-c", "%u:%g", "/volume/own/file") == f"{owner}\n"
        told = eventually(lambda: cluster.kubectl("events", "--for", "pod/writer").partition("LimitsNotKept")[2])
        assert "spec.containers[0].resources.limits: programs are not kept within these limits" in told
        writer, traffic = trouble.writer(), trouble.traffic()
        with at_work(writer, *traffic.values()):
            for victim in ("container", "node"):
                trouble.do(Fault(victim, signal.SIGKILL), traffic, before)
        trouble.report.lost = writer.lost()
        assert trouble.report.problems == []
        down = cluster.crossfade("down", "--delete", "--data-dir", str(cluster.data_dir))
        assert (down.returncode, down.stderr) == (0, f"stopped\ndeleted {cluster.data_dir}\n")
        assert not cluster.data_dir.exists()


@WITH_SUBORDINATES
def test_reliability_is_measured_by_who_started_the_cluster() -> None:
    with ordinary_user(has_subordinate_ids=True) as user:
        shutil.copytree(Path(remains.__file__).parent, user.home / "tests/local/reliability")
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(user.home)}
        sleeping = subprocess.Popen([*user.become, "sh", "-c", BEGIN_AS_A_SUBORDINATE], env=environment)
        try:
            until(lambda: _is_asleep(sleeping.pid), 60)
            measure = [*user.become, str(user.python), "-c", MEASURE, str(sleeping.pid)]
            seen = subprocess.run(measure, env=environment, capture_output=True, text=True, check=False, timeout=60)
        finally:
            sleeping.kill()
            sleeping.wait()
    assert (seen.stdout, seen.stderr) == ("set 3 True\n", "")


def _is_asleep(pid: int) -> bool:
    process = Path(f"/proc/{pid}")
    return (process / "comm").read_text() == "sleep\n" and process.stat().st_uid == FIRST_SUBORDINATE + 7 - 1
