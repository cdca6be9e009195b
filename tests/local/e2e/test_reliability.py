"""The short form of `make reliability`: one fault of each part that a cluster survives, under writes and traffic."""

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.local.reliability import remains
from tests.local.reliability.faults import Fault
from tests.local.reliability.load import at_work
from tests.local.reliability.polling import until
from tests.local.reliability.trouble import Trouble
from tests.support.cluster_owner import ClusterOwner, lack
from tests.support.ordinary_user import FIRST_SUBORDINATE, ordinary_user
from tests.support.ports import free_ports

pytestmark = pytest.mark.cluster

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


@pytest.mark.every_mode
def test_nothing_is_lost_left_or_disturbed(owner: ClusterOwner) -> None:
    api_port, hit, calm = free_ports(3)
    with owner.cluster(owner.folder("cluster"), "--bare", api_port=api_port) as cluster:
        trouble = Trouble(cluster, api_port=api_port, app_ports=(hit, calm), seed=1)
        trouble.prepare()
        before = trouble.measure()
        assert before.parts[:2] == (1, 1)
        assert before.programs == before.cables == 2
        writer, traffic = trouble.writer(), trouble.traffic()
        with at_work(writer, *traffic.values()):
            for victim in ("container", "api", "node"):
                trouble.do(Fault(victim, signal.SIGKILL), traffic, before)
        trouble.report.lost = writer.lost()
    assert trouble.report.problems == []
    assert writer.acknowledged
    assert traffic["calm"].answered


@pytest.mark.skipif(bool(lack("rootless")), reason=lack("rootless"))
def test_it_is_measured_by_who_started_the_cluster() -> None:
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
