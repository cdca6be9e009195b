import pytest

from crossfade_local.controllers.deployments import plan
from crossfade_local.controllers.deployments.revisions import DESIRED_REPLICAS, MAX_REPLICAS
from tests.local.unit.controllers.objects import Json, deployment, replica_set


def _rolling(replicas: int, surge: int | str, unavailable: int | str) -> Json:
    bounds = {"maxSurge": surge, "maxUnavailable": unavailable}
    return deployment(replicas, strategy={"type": "RollingUpdate", "rollingUpdate": bounds})


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (1, "25%", "25%", (1, 0)),
        (4, "25%", "25%", (1, 1)),
        (10, "25%", "25%", (3, 2)),
        (2, 0, 0, (0, 1)),
        (0, "25%", "25%", (0, 0)),
        (2, 5, 5, (5, 2)),
        (3, "0%", "10%", (0, 1)),
    ],
)
def test_bounds(replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]) -> None:
    assert plan.bounds_of(_rolling(replicas, surge, unavailable)) == expected


def _roll(start: Json, sizes: dict[str, int]) -> list[tuple[int, int]]:
    """Plays a whole rollout in which every new pod becomes available at once; sizes of (old, new) after each step."""
    steps = []
    for _ in range(50):
        old, new = replica_set("old", sizes["old"]), replica_set("new", sizes["new"])
        wanted = plan.new_set_size(start, new, [old])
        if wanted != sizes["new"]:
            sizes["new"] = wanted
        else:
            shrinking = plan.old_sets_shrinking(start, new, [old])
            if not shrinking:
                return steps
            sizes["old"] = shrinking[0].replicas
        steps.append((sizes["old"], sizes["new"]))
    raise AssertionError(f"the rollout never ends: {steps}")


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (1, 1, 0, [(1, 1), (0, 1)]),
        (2, 1, 0, [(2, 1), (1, 1), (1, 2), (0, 2)]),
        (2, 0, 1, [(1, 0), (1, 1), (0, 1), (0, 2)]),
        (4, "50%", "50%", [(4, 2), (0, 2), (0, 4)]),
    ],
)
def test_rolling_updates(
    replicas: int, surge: int | str, unavailable: int | str, expected: list[tuple[int, int]]
) -> None:
    assert _roll(_rolling(replicas, surge, unavailable), {"old": replicas, "new": 0}) == expected


def test_availability_is_never_given_up_for_a_new_set_that_does_not_start() -> None:
    old, new = replica_set("old", 3), replica_set("new", 1, available=0)
    assert plan.old_sets_shrinking(_rolling(3, 1, 0), new, [old]) == []


def test_broken_old_pods_go_first() -> None:
    broken = replica_set("broken", 1, available=0, created="2026-01-02T00:00:00Z")
    old, new = replica_set("old", 3), replica_set("new", 1, available=0)
    shrinking = plan.old_sets_shrinking(_rolling(3, 2, 0), new, [old, broken])
    assert [(item.replica_set["metadata"]["name"], item.replicas) for item in shrinking] == [("broken", 0)]


def _sized(name: str, size: int, desired: int, most: int, **extra: str) -> Json:
    return replica_set(name, size, **{DESIRED_REPLICAS: str(desired), MAX_REPLICAS: str(most)}, **extra)


def test_scaling_during_a_rollout_is_shared() -> None:
    old, new = _sized("old", 8, 10, 13), _sized("new", 5, 10, 13)
    target = _rolling(15, 3, 2)
    assert plan.is_scaling(target, [old, new])
    sizes = {
        item.replica_set["metadata"]["name"]: item.replicas for item in plan.proportional_scaling(target, new, [old])
    }
    assert sizes == {"old": 11, "new": 7}


def test_scaling_outside_of_a_rollout_touches_the_only_active_set() -> None:
    old, new = _sized("old", 0, 2, 3), _sized("new", 2, 2, 3)
    [scaling] = plan.proportional_scaling(_rolling(5, 1, 0), new, [old])
    assert (scaling.replica_set["metadata"]["name"], scaling.replicas) == ("new", 5)
    assert not plan.is_scaling(_rolling(2, 1, 0), [old, new])


def test_history_keeps_the_newest_empty_sets() -> None:
    sets = [replica_set(f"r{day}", 0, created=f"2026-01-0{day}T00:00:00Z") for day in (3, 1, 2)]
    surplus = plan.surplus_history(deployment(revisionHistoryLimit=1), [*sets, replica_set("busy", 1)])
    assert [item["metadata"]["name"] for item in surplus] == ["r1", "r2"]
