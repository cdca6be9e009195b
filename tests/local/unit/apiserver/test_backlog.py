"""What waits for a watcher is bounded, whatever it does not read."""

from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.apiserver.handlers.backlog import Backlog
from crossfade_local.apiserver.state.storage import MODIFIED, Event, Stored

MOST_EVENTS, MOST_BYTES = 5, 100
STEPS = st.lists(st.one_of(st.integers(0, 120), st.just("take")), max_size=40)


def _event(revision: int, size: int) -> Event:
    return Event(MODIFIED, revision, None, Stored(("ns", "a"), revision, {}, b"x" * size))


@given(STEPS)
async def test_all_in_order_or_nothing_more_after_a_bound(steps: list[int | str]) -> None:
    ends: list[str] = []
    backlog = Backlog(lambda: ends.append("end"), most_events=MOST_EVENTS, most_bytes=MOST_BYTES)
    waiting: list[Event] = []
    too_much = False
    for revision, step in enumerate(steps):
        if isinstance(step, str):
            assert backlog.take() == ([] if too_much else waiting)
            waiting = []
        else:
            event = _event(revision, step)
            backlog.put(event)
            waiting.append(event)
            size = sum(len(each.after.raw) for each in waiting)
            too_much = too_much or len(waiting) > MOST_EVENTS or size > MOST_BYTES
        assert backlog.has_overflowed is too_much
        assert backlog.is_empty is (not waiting and not too_much)
        assert ends == ["end"] * too_much
    if too_much or waiting:
        await backlog.arrived()
