from datetime import UTC, datetime
from typing import Any

import pytest

from crossfade_local.controllers.daemon_sets import plan, status
from tests.local.unit.controllers.objects import Json, pod, template

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = "old", "new"


def daemon_set(*, spec: Json | None = None, **more: Any) -> Json:
    made = template()
    made["spec"] |= spec or {}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "jazz", "namespace": "prod", "uid": "d", "generation": 3},
        "spec": {"selector": {"matchLabels": {"app": "jazz"}}, "template": made, **more},
    }


def node(name: str = "a", *, labels: Json | None = None, taints: list[Json] | None = None) -> Json:
    return {"metadata": {"name": name, "labels": labels or {}}, "spec": {"taints": taints or []}}


def daemon(name: str, code: str = NEW, *, on: str = "a", going: bool = False, **more: Any) -> Json:
    made = pod(name, node=on, **({"deletionTimestamp": "2026-01-01T11:59:00Z"} if going else {}), **more)
    made["metadata"]["labels"][plan.HASH_LABEL] = code
    made["metadata"]["creationTimestamp"] = f"2026-01-01T00:00:0{len(name)}Z"
    return made


def rolling(**values: Any) -> Json:
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": values}}


TAINT = {"key": "k", "effect": "NoSchedule"}
EVICTS = {"key": "k", "effect": "NoExecute"}
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
TOLERANT = {"tolerations": [{"key": "k", "operator": "Exists"}]}
AFFINITY = {"nodeAffinity": {plan.REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [
    {"key": "disk", "operator": "In", "values": ["fast"]}]}]}}}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "where", "expected"),
    [
        ({}, node(), (True, True)),
        ({}, node(taints=[TAINT]), (False, True)),
        ({}, node(taints=[EVICTS]), (False, False)),
        (TOLERANT, node(taints=[TAINT, EVICTS]), (True, True)),
        ({}, node(taints=[CORDONED]), (True, True)),
        ({"nodeSelector": {"disk": "fast"}}, node(), (False, False)),
        ({"nodeSelector": {"disk": "fast"}}, node(labels={"disk": "fast"}), (True, True)),
        ({"affinity": AFFINITY}, node(labels={"disk": "slow"}), (False, False)),
        ({"affinity": AFFINITY}, node(labels={"disk": "fast"}), (True, True)),
        ({"nodeName": "b"}, node(), (False, False)),
    ],
)
def test_where_a_daemon_belongs(spec: Json, where: Json, expected: tuple[bool, bool]) -> None:
    found = plan.place(daemon_set(spec=spec), where)
    assert (found.should_run, found.may_stay) == expected


A, B = plan.Place("a", True, True), plan.Place("b", True, True)
TAINTED = plan.Place("a", False, True)
CLOSED = plan.Place("a", False, False)
TWO_OLD = [daemon("d", OLD), daemon("dd", OLD, on="b")]
SURGE = rolling(maxSurge=1, maxUnavailable=0)


@pytest.mark.parametrize(
    ("wanted", "places", "pods", "create", "delete", "ended"),
    [
        (daemon_set(), [A, B], [], ["a", "b"], [], []),
        (daemon_set(), [A], [daemon("d")], [], [], []),
        (daemon_set(), [A], [daemon("d"), daemon("dd")], [], ["dd"], []),
        (daemon_set(), [A], [daemon("d", going=True)], [], [], []),
        (daemon_set(), [TAINTED], [], [], [], []),
        (daemon_set(), [TAINTED], [daemon("d")], [], [], []),
        (daemon_set(), [CLOSED], [daemon("d")], [], ["d"], []),
        (daemon_set(), [A], [daemon("d"), daemon("lost", on="gone")], [], ["lost"], []),
        (daemon_set(), [A], [daemon("d", phase="Failed", ready=False)], [], [], ["d"]),
        # An update: the old pod goes first, no more at a time than may be missing.
        (daemon_set(), [A, B], TWO_OLD, [], ["d"], []),
        (daemon_set(), [A, B], [daemon("d", OLD), daemon("dd", on="b", ready=False)], [], [], []),
        (daemon_set(), [A, B], [daemon("d", OLD), daemon("dd", OLD, on="b", ready=False)], [], ["dd"], []),
        (daemon_set(**rolling(maxUnavailable=2)), [A, B], TWO_OLD, [], ["d", "dd"], []),
        (daemon_set(**rolling(maxUnavailable="50%")), [A, B], TWO_OLD, [], ["d"], []),
        (daemon_set(updateStrategy={"type": "OnDelete"}), [A], [daemon("d", OLD)], [], [], []),
        # With surge: the new one first.
        (daemon_set(**SURGE), [A, B], TWO_OLD, ["a"], [], []),
        (daemon_set(**SURGE), [A], [daemon("d", OLD), daemon("dd", ready=False)], [], [], []),
        (daemon_set(**SURGE), [A], [daemon("d", OLD), daemon("dd")], [], ["d"], []),
    ],
)  # fmt: skip
def test_next_steps(
    wanted: Json, places: list[plan.Place], pods: list[Json], create: list[str], delete: list[str], ended: list[str]
) -> None:
    steps = plan.next_steps(wanted, places, plan.by_node(pods), update_hash=NEW, now=NOW)
    deleted, replaced = ([one["metadata"]["name"] for one in group] for group in (steps.delete, steps.ended))
    assert (steps.create, deleted, replaced) == (create, delete, ended)


def test_a_daemon_is_tied_to_its_node_and_lasts_through_its_troubles() -> None:
    owner = daemon_set(spec={"affinity": AFFINITY, **TOLERANT})
    owner["metadata"]["annotations"] = {"deprecated.daemonset.template.generation": "4"}
    made = plan.new_pod(owner, "a", NEW)
    assert plan.node_of(made) == "a"
    (term,) = made["spec"]["affinity"]["nodeAffinity"][plan.REQUIRED]["nodeSelectorTerms"]
    assert [item["key"] for item in term["matchExpressions"]] == ["disk"]
    keys = [item["key"] for item in made["spec"]["tolerations"]]
    assert keys[0] == "k"
    assert "node.kubernetes.io/unschedulable" in keys
    assert made["metadata"]["labels"] == {"app": "jazz", "pod-template-generation": "4", plan.HASH_LABEL: NEW}


def test_status() -> None:
    pods = [daemon("d"), daemon("dd", OLD, on="b", ready=False), daemon("x", on="c")]
    places = [A, B, plan.Place("c", False, True), plan.Place("e", True, True)]
    found = status.counted(daemon_set(), places, plan.by_node(pods), update_hash=NEW, collisions=0, now=NOW)
    assert found == {
        "currentNumberScheduled": 2,
        "desiredNumberScheduled": 3,
        "numberAvailable": 1,
        "numberMisscheduled": 1,
        "numberReady": 1,
        "numberUnavailable": 2,
        "observedGeneration": 3,
        "updatedNumberScheduled": 1,
    }


def test_the_oldest_pod_stands_for_its_node() -> None:
    """Also while a newer one surges beside it."""
    ended = daemon("a", OLD, going=True, phase="Failed")
    pods = [ended, daemon("bb", OLD), daemon("ccc", NEW, ready=False)]
    found = status.counted(daemon_set(), [A], plan.by_node(pods), update_hash=NEW, collisions=0, now=NOW)
    assert (found["numberReady"], found.get("updatedNumberScheduled")) == (1, None)
    found = status.counted(daemon_set(), [A], plan.by_node([ended]), update_hash=NEW, collisions=0, now=NOW)
    assert found["currentNumberScheduled"] == 0
