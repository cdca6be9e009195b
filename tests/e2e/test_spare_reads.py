"""A gateway's Envoy does not read sockets that have nothing."""

from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.gateway import RunningGateway, ingress, running_gateway, service, upstream

pytestmark = pytest.mark.envoy

REQUESTS = 200


def reads(gateway: RunningGateway) -> int:
    """Calls of its Envoy like `readv(2)`, as the kernel counts them; `recvmsg(2)` is none."""
    lines = (Path(f"/proc/{pid}/io").read_text().splitlines() for pid in gateway.children())
    return sum(int(line.split()[1]) for own in lines for line in own if line.startswith("syscr:"))


def reads_for_requests(folder: Path, setting: str) -> int:
    with upstream("here") as port:
        (folder / "all.yaml").write_text(service("one", port) + ingress("one", "/", "one"))
        with running_gateway(folder, settings={"CROSSFADE_SPARE_READS": setting}) as gateway:
            connection = HTTPConnection("127.0.0.1", gateway.port, timeout=10)
            before = reads(gateway)
            for _ in range(REQUESTS):
                connection.request("GET", "/")
                assert connection.getresponse().read() == b"here"
            found = reads(gateway) - before
            connection.close()
            return found


def test_a_request_takes_no_reads_but_those_that_find_something(tmp_path: Path) -> None:
    assert reads_for_requests(tmp_path, "") < REQUESTS


def test_it_can_be_left_to_envoy(tmp_path: Path) -> None:
    assert reads_for_requests(tmp_path, "off") >= 4 * REQUESTS
