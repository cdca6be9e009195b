"""When a fault holds, and for how long a proxy may keep it."""

import pytest

from crossfade.compile.routing.routes import Fault
from crossfade.envoy.faults import LEASE_S, leases, next_change_s
from crossfade.envoy.proto import discovery_v3

FAULT = Fault(start_s=1000, end_s=1065, abort_status=503, abort_percent=5, name="fault/a")


def lent_s(now_s: float) -> int | None:
    found = leases([FAULT], now_s)
    if not found:
        return None
    (entry,) = discovery_v3.DeltaDiscoveryResponse.FromString(found["fault/a"].framed).resources
    return int(entry.ttl.seconds)


@pytest.mark.parametrize(
    ("now_s", "lent", "next_s"),
    [
        (0.0, None, 1000),
        (999.9, None, 1000),
        (1000.0, LEASE_S, 1010),
        (1009.9, LEASE_S, 1010),
        (1035.5, LEASE_S, 1040),
        (1055.0, 10, 1060),
        (1061.0, 4, 1065),
        (1064.9, 1, 1065),
        (1065.0, None, None),
    ],
)
def test_a_fault_is_lent_until_its_end_at_most(now_s: float, lent: int | None, next_s: float | None) -> None:
    assert (lent_s(now_s), next_change_s([FAULT], now_s)) == (lent, next_s)


def test_a_renewal_is_another_version_and_nothing_else_is() -> None:
    versions = [leases([FAULT], now_s)["fault/a"].version for now_s in (1001, 1009, 1010, 1019, 1020)]
    assert versions[0] == versions[1] != versions[2] == versions[3] != versions[4]
