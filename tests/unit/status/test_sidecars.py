"""Which pods are told that their proxies are missed, and what."""

from datetime import UTC, datetime, timedelta

import pytest

from crossfade.status.change import ObjectChange
from crossfade.status.sidecars import CONDITION, Circumstances, ProxyPod, changes_of_pods, missed
from crossfade_kube.meta import ObjectRef
from crossfade_kube.paths import STRATEGIC
from crossfade_kube.resources import POD

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
REF = ObjectRef("v1", "Pod", "prod", "jazz-1", "u")
RUNS = ProxyPod(REF, "7", "prod/jazz-1", NOW - timedelta(hours=2), "ours")
KNOWN = Circumstances(NOW, NOW - timedelta(hours=1), timedelta(minutes=3), "ours", frozenset(), {}, {})
HERE = KNOWN._replace(connected=frozenset({"prod/jazz-1"}))


def ago(**since: float) -> datetime:
    return NOW - timedelta(**since)


@pytest.mark.parametrize(
    ("pod", "known", "since"),
    [
        (RUNS, HERE, None),
        # Nobody was connected since this controller looks.
        (RUNS, KNOWN, ago(hours=1)),
        (RUNS, KNOWN._replace(observed_since=ago(seconds=179)), None),
        (RUNS, KNOWN._replace(observed_since=ago(seconds=180)), ago(seconds=180)),
        # It was.
        (RUNS, KNOWN._replace(seen={"u": ago(minutes=9)}), ago(minutes=9)),
        (RUNS, KNOWN._replace(seen={"u": ago(minutes=2)}), None),
        # A former pod of that name.
        (RUNS, KNOWN._replace(seen={"other": ago(minutes=2)}), ago(hours=1)),
        # It has begun just now.
        (RUNS._replace(runs_since=ago(minutes=1)), KNOWN, None),
        (RUNS._replace(runs_since=ago(minutes=4)), KNOWN, ago(minutes=4)),
        # An earlier leader has missed it.
        (RUNS._replace(is_told=True), KNOWN._replace(observed_since=NOW), NOW),
    ],
)
def test_a_proxy_is_missed_after_a_while(pod: ProxyPod, known: Circumstances, since: datetime | None) -> None:
    assert missed([pod], known) == ({} if since is None else {pod: since})


def told(changes: list[ObjectChange]) -> str:
    (change,) = changes
    assert change.patch is not None
    (condition,) = change.patch["status"]["conditions"]
    (news,) = change.news
    assert (change.ref, change.resource, change.basis, change.subresource) == (REF, POD, "7", "status")
    # The kubelet's conditions stay.
    assert change.content_type == STRATEGIC
    assert (condition["type"], condition["reason"], condition["message"]) == (CONDITION, news.reason, news.message)
    assert news.is_warning is (condition["status"] == "False")
    return f"{condition['status']} {condition['lastTransitionTime']} {news.reason}: {news.message}"


def test_the_pod_is_told_since_when_and_what_to_do() -> None:
    assert told(changes_of_pods([RUNS], KNOWN)) == (
        "False 2026-11-28T11:00:00Z SidecarStranded: its proxy is not connected to the control plane since "
        "2026-11-28T11:00:00Z, and keeps the configuration that it has: read the log of its container envoy, or delete "
        "the pod: its successor gets what it needs"
    )


@pytest.mark.parametrize(
    ("pod", "known", "cause"),
    [
        (RUNS._replace(authority="former"), KNOWN, "; its pod was made under another authority, and it has not"),
        (RUNS, KNOWN._replace(refusals={"prod/jazz-1": "X is not known here"}), "; it was refused, because X is not"),
        (RUNS, KNOWN._replace(refusals={"prod/jazz-2": "X is not known here"}), "that it has: read the log"),
        # Pods of virtual gateways from before they were told.
        (RUNS._replace(authority=""), KNOWN, "that it has: read the log"),
    ],
)
def test_the_pod_is_told_the_cause_where_it_is_known(pod: ProxyPod, known: Circumstances, cause: str) -> None:
    assert cause in told(changes_of_pods([pod], known))


def test_what_was_told_is_told_again_only_when_it_is_over() -> None:
    stranded = RUNS._replace(is_told=True)
    assert changes_of_pods([stranded], KNOWN) == []
    assert changes_of_pods([RUNS], HERE) == []
    assert told(changes_of_pods([stranded], HERE)) == (
        "True 2026-11-28T12:00:00Z SidecarConnected: its proxy is connected to the control plane again"
    )
