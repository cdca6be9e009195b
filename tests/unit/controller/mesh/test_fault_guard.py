"""Which pods take a fault back, and for how long."""

import pytest
from msgspec import structs

from crossfade.compile.mesh.readiness import Readiness
from crossfade.compile.model import ReachedNode
from crossfade.compile.routing.routes import Fault
from crossfade.controller.mesh.error_shares import Spread
from crossfade.controller.mesh.fault_guard import FaultGuard, Withdrawal

FAULT = Fault(0, 60, abort_status=503, abort_percent=5, name="a")
OTHER = Fault(0, 60, abort_status=503, abort_percent=5, name="b")


def pods(ready: str, failing: str = "") -> Readiness:
    return Readiness(frozenset(ready), frozenset(failing))


@pytest.mark.parametrize(
    ("seen", "culprit"),
    [
        ([pods("xy"), pods("xy")], None),
        # Starting, gone, or failing already when the fault began.
        ([pods("x"), pods("x", "y")], None),
        ([pods("xy"), pods("x")], None),
        ([pods("x", "y"), pods("x", "y")], None),
        ([pods("x"), pods("xy"), pods("x", "y")], "y"),
        ([pods("xyz"), pods("x", "zy")], "y"),
    ],
)
def test_a_pod_that_was_ready_under_the_fault_takes_it_back(seen: list[Readiness], culprit: str | None) -> None:
    guard = FaultGuard()
    found = [guard.look([FAULT], one) for one in seen]
    assert found[-1] == ([] if culprit is None else [Withdrawal(FAULT, culprit)])
    assert guard.allows(FAULT) == (culprit is None)


def test_a_withdrawn_fault_stays_so_until_another_is_written() -> None:
    guard = FaultGuard()
    guard.look([FAULT, OTHER], pods("x"))
    assert len(guard.look([FAULT, OTHER], pods("", "x"))) == 2
    assert guard.look([FAULT, OTHER], pods("x")) == []
    assert not guard.allows(FAULT)
    again = structs.replace(FAULT, end_s=90)
    assert guard.allows(again)
    assert guard.look([again], pods("", "x")) == []
    guard.keep_only(["a"])
    assert not guard.allows(FAULT)
    assert guard.allows(OTHER)


@pytest.mark.parametrize(("percent", "is_withdrawn"), [(0, False), (20, False), (21, True), (100, True)])
def test_more_failing_requests_than_the_author_allows_take_it_back(percent: int, is_withdrawn: bool) -> None:
    guard, spread = FaultGuard(), Spread(ReachedNode("jazz", "prod", "jazz_prod"), percent)
    found = guard.look([FAULT], pods("x"), lambda _: spread)
    assert found == ([Withdrawal(FAULT, spread)] if is_withdrawn else [])
    assert guard.allows(FAULT) != is_withdrawn
