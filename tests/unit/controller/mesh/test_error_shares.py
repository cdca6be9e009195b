"""Which share of requests fails, of what proxies have reported."""

import pytest

from crossfade.compile.model import ReachedNode
from crossfade.controller.mesh.error_shares import LEAST_REQUESTS, WINDOW_S, ErrorShares, Spread
from crossfade.xds.load_reports import Load

JAZZ, METAL = (ReachedNode(name, "prod", f"{name}_prod") for name in ("jazz", "metal"))
Noted = tuple[float, ReachedNode, int, int]


@pytest.mark.parametrize(
    ("noted", "worst"),
    [
        ([], None),
        ([(100, JAZZ, 0, LEAST_REQUESTS - 1)], None),
        ([(100, JAZZ, 0, LEAST_REQUESTS)], Spread(JAZZ, 100)),
        # Of several callers, clusters and seconds.
        ([(100, JAZZ, 5, 0), (100.5, JAZZ, 5, 5), (103, JAZZ, 5, 5)], Spread(JAZZ, 40)),
        ([(100, JAZZ, 90, 10), (101, METAL, 80, 20)], Spread(METAL, 20)),
        # From before the fault, and too long ago.
        ([(94, JAZZ, 0, 100), (104, JAZZ, 99, 1)], Spread(JAZZ, 1)),
        ([(95, JAZZ, 0, 100), (95 + WINDOW_S + 5, JAZZ, 99, 1)], Spread(JAZZ, 1)),
        # A clock that was set back.
        ([(104, JAZZ, 0, 10), (101, JAZZ, 10, 0)], Spread(JAZZ, 50)),
    ],
)
def test_the_node_at_which_most_fail(noted: list[Noted], worst: Spread | None) -> None:
    shares, now_s = ErrorShares(), 104.0
    for now_s, node, succeeded, failed in noted:
        shares.note("m", node, Load(succeeded, failed), now_s)
    assert shares.worst("m", since_s=95, now_s=max(now_s, 104)) == worst
    assert shares.worst("another", since_s=95, now_s=104) is None
    shares.keep_only(["another"])
    assert shares.worst("m", since_s=95, now_s=104) is None


def test_what_is_kept_does_not_grow_with_time() -> None:
    shares = ErrorShares()
    for second in range(1000):
        for _ in range(5):
            shares.note("m", JAZZ, Load(3, 1), second)
    assert shares.worst("m", since_s=0, now_s=999) == Spread(JAZZ, 25)
    (seconds,) = shares._seconds["m"].values()
    assert len(seconds) == WINDOW_S
