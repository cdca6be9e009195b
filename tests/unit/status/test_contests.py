"""When a status that does not stay is written again."""

from crossfade.api.appmesh import Mesh
from crossfade.status.change import ObjectChange
from crossfade.status.contests import LONGEST_PAUSE_S, PEACE_S, Contests
from crossfade_kube.meta import ObjectRef

REF = ObjectRef("appmesh.k8s.aws/v1beta2", "Mesh", "", "m", "u")


def change(status: str, since: str = "2026-01-01T00:00:00Z") -> ObjectChange:
    conditions = [{"status": status, "lastTransitionTime": since}]
    return ObjectChange(REF, Mesh.RESOURCE, "1", {"status": {"conditions": conditions}}, "status")


def test_answers_come_ever_later_and_the_contest_is_told_once() -> None:
    now = 0.0
    contests = Contests(clock=lambda: now)
    pauses, told = [], []
    for turn in range(14):
        pauses.append(contests.pause_s(change("True", f"2026-01-01T00:00:{turn:02}Z")))
        now += pauses[-1]
        told.append(contests.note(change("True", "2026-01-01T00:00:59Z")))
    assert pauses[:6] == [0, 0, 1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE_S
    assert told == [turn == 4 for turn in range(14)]


def test_what_changes_by_itself_is_written_at_once() -> None:
    contests = Contests(clock=lambda: 0.0)
    for turn in range(20):
        assert contests.pause_s(change(str(turn))) == 0
        assert not contests.note(change(str(turn)))


def test_after_a_time_of_peace_nothing_is_held_against_anybody() -> None:
    now = 0.0
    contests = Contests(clock=lambda: now)
    for _ in range(5):
        contests.note(change("True"))
    assert contests.pause_s(change("True")) > 0
    now += PEACE_S + 1
    assert contests.pause_s(change("True")) == 0
