"""The short form of `make reliability`: one fault of each part that a cluster survives, under writes and traffic."""

import signal
from pathlib import Path

import pytest

from tests.local.reliability.faults import Fault
from tests.local.reliability.load import at_work
from tests.local.reliability.trouble import Trouble
from tests.support.cluster import embedded_cluster
from tests.support.ports import free_ports

pytestmark = pytest.mark.cluster


def test_nothing_is_lost_left_or_disturbed(tmp_path: Path) -> None:
    api_port, hit, calm = free_ports(3)
    with embedded_cluster(tmp_path / "data", "--bare", api_port=api_port) as cluster:
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
