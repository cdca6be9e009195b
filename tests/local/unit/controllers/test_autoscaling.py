"""How many replicas usage asks for, and what of it is done now."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_local.controllers.autoscaling.limits import History, Verdict, limited, tolerance_of
from crossfade_local.controllers.autoscaling.metrics import Target, UnmeasuredError, measure
from crossfade_local.controllers.autoscaling.usage import (
    CannotTellError,
    Goal,
    Proposal,
    Tolerance,
    Used,
    duration,
    propose,
    requests_of,
    used_by_pods,
)

Json = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = "2025-12-31T00:00:00Z"
WINDOW = timedelta(seconds=10)


def pod(
    name: str, *, ready: str = "True", since: str = LONG_AGO, begun: str = LONG_AGO, phase: str = "Running"
) -> Json:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": since}
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "1"}}}]},
        "status": {"phase": phase, "startTime": begun, "conditions": [condition]},
    }


def asked(
    *amounts: int | None, target: int = 50, raw: bool = False, others: tuple[Json, ...] = (), current: int | None = None
) -> int:
    """With a request of 1000 for each pod; None has no metrics."""
    pods = [*(pod(f"p{index}") for index in range(len(amounts))), *others]
    used = {f"p{index}": Used(value, NOW, WINDOW) for index, value in enumerate(amounts) if value is not None}
    used |= {one["metadata"]["name"]: Used(900, NOW, WINDOW) for one in others}
    goal = Goal(target, None if raw else requests_of(pods, "cpu"))
    proposal = propose(
        len(pods) if current is None else current,
        goal,
        pods=pods,
        used=used,
        resource="cpu",
        tolerance=Tolerance(),
        now=NOW,
    )
    return proposal.replicas


@pytest.mark.parametrize(
    ("amounts", "target", "expected"),
    [
        pytest.param((900, 900), 50, 4, id="more"),
        pytest.param((100, 100, 100), 50, 1, id="fewer"),
        pytest.param((550, 550), 50, 2, id="within the tolerance above"),
        pytest.param((450, 450), 50, 2, id="within the tolerance below"),
        pytest.param((560, 560), 50, 3, id="rounded up"),
        pytest.param((1000, None), 50, 2, id="one without metrics counts as idle where more are wanted"),
        pytest.param((100, None), 50, 2, id="and as fully used where fewer are"),
        pytest.param((10, 10, 10, None), 90, 2, id="fewer in spite of it"),
        pytest.param((500, None), 50, 2, id="no change"),
    ],
)
def test_utilization(amounts: tuple[int | None, ...], target: int, expected: int) -> None:
    assert asked(*amounts, target=target) == expected


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [((300, 300), 6), ((100, 100), 2), ((40, 40), 1), ((20, None), 2), ((1000, None), 10)],
)
def test_average_value(amounts: tuple[int | None, ...], expected: int) -> None:
    assert asked(*amounts, target=100, raw=True) == expected


JUST_NOW = "2025-12-31T23:59:55Z"


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(pod("x", phase="Pending"), 2, id="pending counts as idle"),
        pytest.param(pod("x", ready="False", begun=JUST_NOW), 2, id="not ready yet"),
        pytest.param(pod("x", begun=JUST_NOW, since=JUST_NOW), 2, id="measured before it was ready"),
        pytest.param(pod("x", begun="2025-12-31T23:59:00Z", since="2025-12-31T23:59:30Z"), 4, id="measured after"),
        pytest.param(pod("x", ready="False", since="2025-12-31T00:00:10Z"), 2, id="never was ready"),
        pytest.param(pod("x", ready="False", since="2025-12-31T12:00:00Z"), 4, id="was ready before"),
        pytest.param(pod("x", phase="Failed"), 2, id="failed"),
    ],
)
def test_pods_that_start_do_not_drive_it(other: Json, expected: int) -> None:
    assert asked(900, others=(other,)) == expected


def test_of_pods_that_start_alone_nothing_can_be_told() -> None:
    with pytest.raises(CannotTellError, match=r"^did not receive metrics for targeted pods \(pods might be unready\)$"):
        asked(others=(pod("x", phase="Pending"),))


def test_share_and_average_are_told_as_measured() -> None:
    used = {"a": Used(250, NOW, WINDOW)}
    found = propose(
        1, Goal(50, {"a": 1000}), pods=[pod("a")], used=used, resource="cpu", tolerance=Tolerance(), now=NOW
    )
    assert found == Proposal(1, 25, 250)


def test_a_request_that_is_missing_is_named() -> None:
    bare = {"metadata": {"name": "web-1"}, "spec": {"containers": [{"name": "web"}]}}
    with pytest.raises(CannotTellError, match=r"^missing request for cpu in container web of Pod web-1$"):
        requests_of([bare], "cpu")


def test_requests_of_sidecars_and_of_the_pod() -> None:
    sidecar = {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "250m"}}}
    first = pod("a")
    first["spec"]["initContainers"] = [sidecar, {"name": "once"}]
    second = pod("b")
    second["spec"]["resources"] = {"requests": {"cpu": "3"}}
    assert requests_of([first, second], "cpu") == {"a": 1250, "b": 3000}
    assert requests_of([first, second], "cpu", "main") == {"a": 1000, "b": 1000}


def test_usage_by_pod_and_by_container() -> None:
    containers = [{"name": "a", "usage": {"cpu": "1500001n"}}, {"name": "b", "usage": {"cpu": "2m"}}]
    metadata = {"name": "x", "namespace": "n"}
    item = {"metadata": metadata, "timestamp": "2026-01-01T00:00:00Z", "window": "1m2.5s", "containers": containers}
    assert used_by_pods([item], "cpu") == {"x": Used(4, NOW, timedelta(seconds=62.5))}
    assert used_by_pods([item], "cpu", "b")["x"].amount == 2
    assert used_by_pods([item], "memory") == {}
    with pytest.raises(CannotTellError, match=r"^container c not present in metrics for pod n/x$"):
        used_by_pods([item], "cpu", "c")


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15), ("1h2m3.5s", 3723.5), ("20ms", 0.02), ("", 0)])
def test_durations(text: str, seconds: float) -> None:
    assert duration(text).total_seconds() == pytest.approx(seconds)


def test_tolerance_of_behavior() -> None:
    assert tolerance_of({"scaleUp": {"tolerance": "50m"}}) == Tolerance(0.05, 0.1)


def rules(*policies: tuple[str, int, int], select: str = "Max", window_s: int | None = None) -> Json:
    found = [{"type": kind, "value": value, "periodSeconds": period} for kind, value, period in policies]
    return {"selectPolicy": select, "policies": found} | (
        {"stabilizationWindowSeconds": window_s} if window_s is not None else {}
    )


def judge(
    current: int,
    wanted: int,
    *,
    low: int = 1,
    high: int = 10,
    up: Json | None = None,
    down: Json | None = None,
    history: History | None = None,
) -> Verdict:
    spec: Json = {"minReplicas": low, "maxReplicas": high}
    if up or down:
        free = rules(("Percent", 100, 15))
        spec["behavior"] = {"scaleUp": {"stabilizationWindowSeconds": 0, **(up or free)}, "scaleDown": down or free}
    # An old recommendation, so that none is made up.
    known = history or History(wanted=[(NOW - timedelta(minutes=59), 1)])
    return limited(spec, current=current, wanted=wanted, history=known, now=NOW)


@pytest.mark.parametrize(
    ("verdict", "replicas", "limit"),
    [
        (judge(2, 4), 4, "DesiredWithinRange"),
        (judge(2, 20, high=30), 4, "ScaleUpLimit"),
        (judge(3, 20, high=30), 6, "ScaleUpLimit"),
        (judge(6, 20), 10, "TooManyReplicas"),
        (judge(6, 1, low=2), 2, "TooFewReplicas"),
        (judge(6, 3), 3, "DesiredWithinRange"),
        (judge(4, 20, up=rules(("Pods", 2, 60))), 6, "ScaleUpLimit"),
        (judge(4, 20, up=rules(("Pods", 2, 60), ("Percent", 100, 60))), 8, "ScaleUpLimit"),
        (judge(4, 20, up=rules(("Pods", 2, 60), ("Percent", 100, 60), select="Min")), 6, "ScaleUpLimit"),
        (judge(3, 20, up=rules(("Percent", 10, 60))), 4, "ScaleUpLimit"),
        (judge(4, 20, up=rules(select="Disabled")), 4, "ScaleUpLimit"),
        (judge(4, 20, up=rules(("Pods", 20, 60))), 10, "TooManyReplicas"),
        (judge(8, 1, down=rules(("Pods", 2, 60))), 6, "ScaleDownLimit"),
        (judge(8, 1, down=rules(("Pods", 2, 60), ("Percent", 50, 60))), 4, "ScaleDownLimit"),
        (judge(8, 1, down=rules(("Pods", 2, 60), ("Percent", 50, 60), select="Min")), 6, "ScaleDownLimit"),
        (judge(8, 1, down=rules(select="Disabled")), 8, "ScaleDownLimit"),
        (judge(8, 1, low=3, down=rules(("Percent", 100, 60))), 3, "TooFewReplicas"),
        (judge(8, 8, down=rules(("Pods", 1, 60))), 8, "DesiredWithinRange"),
    ],
)
def test_limits(verdict: Verdict, replicas: int, limit: str) -> None:
    assert (verdict.replicas, verdict.limit[0]) == (replicas, limit)
    assert verdict.limited == (limit != "DesiredWithinRange")


def ago(**by: int) -> datetime:
    return NOW - timedelta(**by)


def test_fewer_only_when_nothing_more_was_wanted_for_five_minutes() -> None:
    recent = History(wanted=[(ago(minutes=6), 9), (ago(minutes=4), 5)])
    verdict = judge(6, 2, history=recent)
    assert (verdict.replicas, verdict.able[0]) == (5, "ScaleDownStabilized")
    by_rules = judge(6, 2, history=recent, down=rules(("Percent", 100, 15), window_s=60))
    assert (by_rules.replicas, by_rules.able[0]) == (2, "ReadyForNewScale")
    assert recent.wanted[-1] == (NOW, 2)


def test_more_only_when_it_was_wanted_for_the_whole_window() -> None:
    recent = History(wanted=[(ago(seconds=90), 2), (ago(seconds=30), 5)])
    up = rules(("Pods", 9, 15), window_s=60)
    verdict = judge(3, 9, history=recent, up=up)
    assert (verdict.replicas, verdict.able[0]) == (5, "ScaleUpStabilized")


def test_a_controller_that_has_just_begun_ends_no_pods() -> None:
    assert judge(6, 1, history=History()).replicas == 6


def test_what_was_done_in_the_period_counts() -> None:
    done = History(wanted=[(ago(minutes=50), 1)])
    done.note_change(2, 4, ago(seconds=30))
    up = rules(("Pods", 3, 60))
    assert judge(4, 9, up=up, history=done).replicas == 5
    done.note_change(4, 5, ago(seconds=1))
    assert judge(5, 9, up=up, history=done).replicas == 5
    done = History(wanted=[(ago(minutes=50), 1)])
    done.note_change(9, 7, ago(seconds=30))
    assert judge(7, 1, down=rules(("Pods", 3, 60), window_s=0), history=done).replicas == 6


@pytest.mark.parametrize(
    ("metric", "wanted", "place", "tried"),
    [
        ({"name": "q"}, {"value": "1"}, "q/nil", "failed to get external metric q"),
        (
            {"name": "q", "selector": {"matchLabels": {"a": "b"}}},
            {"averageValue": "1"},
            "q/&LabelSelector{MatchLabels:map[string]string{a: b,},MatchExpressions:[]LabelSelectorRequirement{},}",
            "failed to get q external metric",
        ),
    ],
)
async def test_metrics_from_outside_are_not_found(metric: Json, wanted: Json, place: str, tried: str) -> None:
    client, target = Client(ClusterConfig(server="http://127.0.0.1:1")), Target("prod", "", 1, Tolerance())
    with pytest.raises(UnmeasuredError) as told:
        await measure(client, target, {"type": "External", "external": {"metric": metric, "target": wanted}}, NOW)
    assert (told.value.reason, told.value.prefix) == (
        "FailedGetExternalMetric",
        f"failed to get q external metric value: {tried}",
    )
    assert str(told.value) == (
        f"unable to get external metric prod/{place}: unable to fetch metrics from external metrics API: the server "
        "could not find the requested resource (get q.external.metrics.k8s.io)"
    )
