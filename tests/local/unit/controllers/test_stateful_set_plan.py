from datetime import UTC, datetime
from typing import Any

import pytest

from crossfade_local.controllers.stateful_sets import identity, status
from crossfade_local.controllers.stateful_sets.plan import MOST_AT_ONCE, next_steps
from tests.local.unit.controllers.objects import Json, pod, template

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, NEW = "jazz-old", "jazz-new"


def stateful_set(replicas: int = 3, **spec: Any) -> Json:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "jazz", "namespace": "prod", "uid": "s", "generation": 2},
        "spec": {
            "replicas": replicas,
            "serviceName": "band",
            "selector": {"matchLabels": {"app": "jazz"}},
            "template": template(),
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            **spec,
        },
    }


def member(ordinal: int, revision: str = NEW, *, going: bool = False, **more: Any) -> Json:
    extra = {"deletionTimestamp": "2026-01-01T11:59:00Z"} if going else {}
    made = pod(f"jazz-{ordinal}", **more, **extra)
    made["metadata"]["labels"][identity.REVISION_LABEL] = revision
    return made


def rolling(**values: Any) -> Json:
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": values}}


PARALLEL = {"podManagementPolicy": "Parallel"}
THREE_OLD = [member(0, OLD), member(1, OLD), member(2, OLD)]
TWO_HIGHEST = ["jazz-2", "jazz-1"]
ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}


@pytest.mark.parametrize(
    ("wanted", "pods", "create", "delete"),
    [
        # Ordered: one after the other, and not before the one before is available.
        (stateful_set(), [], [0], []),
        (stateful_set(), [member(0)], [1], []),
        (stateful_set(), [member(0, ready=False)], [], []),
        (stateful_set(), [member(0), member(2)], [1], []),
        (stateful_set(), [member(0, going=True), member(1)], [], []),
        (stateful_set(minReadySeconds=10**9), [member(0)], [], []),
        (stateful_set(ordinals={"start": 5}), [], [5], []),
        (stateful_set(0), [], [], []),
        # A pod that has ended is replaced.
        (stateful_set(1), [member(0, phase="Failed", ready=False)], [], ["jazz-0"]),
        (stateful_set(1), [member(0, phase="Succeeded", ready=False)], [], ["jazz-0"]),
        # Scaling down: the highest number first, one at a time, unless it is broken itself.
        (stateful_set(1), [member(0), member(1), member(2)], [], ["jazz-2"]),
        (stateful_set(1), [member(0), member(1), member(2, going=True)], [], []),
        (stateful_set(1), [member(0), member(1), member(2, ready=False)], [], ["jazz-2"]),
        (stateful_set(1), [member(0), member(1, ready=False), member(2)], [], ["jazz-2"]),
        (stateful_set(1), [member(0), member(1, ready=False), member(2, ready=False)], [], []),
        (stateful_set(1), [member(0, ready=False), member(1)], [], []),
        (stateful_set(2, ordinals={"start": 1}), [member(0), member(1), member(2)], [], ["jazz-0"]),
        # Parallel: all at once.
        (stateful_set(**PARALLEL), [], [0, 1, 2], []),
        (stateful_set(**PARALLEL), [member(0, ready=False)], [1, 2], []),
        (stateful_set(1, **PARALLEL), [member(0), member(1), member(2, ready=False)], [], TWO_HIGHEST),
        # Updates: from the highest number down to the partition.
        (stateful_set(), THREE_OLD, [], ["jazz-2"]),
        (stateful_set(), [member(0, OLD), member(1, OLD), member(2)], [], ["jazz-1"]),
        (stateful_set(), [member(0, OLD), member(1, OLD), member(2, ready=False)], [], []),
        (stateful_set(**rolling(partition=2)), THREE_OLD, [], ["jazz-2"]),
        (stateful_set(**rolling(partition=2)), [member(0, OLD), member(1, OLD), member(2)], [], []),
        (stateful_set(**rolling(partition=9)), THREE_OLD, [], []),
        (stateful_set(**rolling(maxUnavailable=2)), THREE_OLD, [], TWO_HIGHEST),
        (stateful_set(**rolling(maxUnavailable="70%")), THREE_OLD, [], TWO_HIGHEST),
        (stateful_set(**ON_DELETE), THREE_OLD, [], []),
        (stateful_set(**PARALLEL), [member(0, OLD), member(1, OLD), member(2, OLD, ready=False)], [], ["jazz-2"]),
    ],
)  # fmt: skip
def test_next_steps(wanted: Json, pods: list[Json], create: list[int], delete: list[str]) -> None:
    numbered = {identity.ordinal_of(wanted, one) or 0: one for one in pods}
    plan = next_steps(wanted, numbered, update_revision=NEW, now=NOW)
    assert ([number for number, _ in plan.create], [one["metadata"]["name"] for one in plan.delete]) == (create, delete)


def test_pods_below_the_partition_come_back_as_they_were() -> None:
    plan = next_steps(stateful_set(**PARALLEL, **rolling(partition=2)), {}, update_revision=NEW, now=NOW)
    assert plan.create == [(0, True), (1, True), (2, False)]


def test_a_huge_number_of_replicas_costs_no_more_than_can_be_made() -> None:
    plan = next_steps(stateful_set(2**31 - 1, **PARALLEL), {7: member(7)}, update_revision=NEW, now=NOW)
    assert len(plan.create) == MOST_AT_ONCE


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [("jazz-0", 0), ("jazz-12", 12), ("jazz-01", None), ("jazz-", None), ("jazz", None), ("jazz-a-1", None)],
)
def test_only_numbered_names_are_members(name: str, ordinal: int | None) -> None:
    assert identity.ordinal_of(stateful_set(), pod(name)) == ordinal


def test_a_pod_has_its_name_its_subdomain_and_its_own_claim() -> None:
    owner = stateful_set(volumeClaimTemplates=[{"metadata": {"name": "tapes"}, "spec": {"accessModes": ["x"]}}])
    owner["spec"]["template"]["spec"]["volumes"] = [{"name": "tapes", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    data = {"spec": {"template": {**owner["spec"]["template"], "$patch": "replace"}}}
    made = identity.new_pod(owner, {"metadata": {"name": NEW}, "data": data}, 2)
    assert (made["metadata"]["name"], made["metadata"]["generateName"]) == ("jazz-2", "jazz-")
    assert made["metadata"]["labels"] == {
        "app": "jazz",
        "apps.kubernetes.io/pod-index": "2",
        "controller-revision-hash": NEW,
        "statefulset.kubernetes.io/pod-name": "jazz-2",
    }
    assert (made["spec"]["hostname"], made["spec"]["subdomain"]) == ("jazz-2", "band")
    assert made["spec"]["volumes"] == [
        {"name": "tapes", "persistentVolumeClaim": {"claimName": "tapes-jazz-2"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    (claim,) = identity.claims_of(owner, 2)
    assert (claim["metadata"]["name"], claim["metadata"]["labels"]) == ("tapes-jazz-2", {"app": "jazz"})


@pytest.mark.parametrize(
    ("deleted", "scaled", "condemned", "owners"),
    [
        ("Retain", "Retain", True, []),
        ("Delete", "Retain", True, ["s"]),
        ("Retain", "Delete", False, []),
        ("Retain", "Delete", True, ["jazz-2"]),
        ("Delete", "Delete", False, ["s"]),
        ("Delete", "Delete", True, ["jazz-2"]),
    ],
)
def test_the_retention_policy_decides_whose_a_claim_is(
    deleted: str, scaled: str, condemned: bool, owners: list[str]
) -> None:
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    owner = stateful_set(persistentVolumeClaimRetentionPolicy=policy)
    claim = {"metadata": {"ownerReferences": [{"uid": "s"}, {"uid": "other"}]}}
    found = identity.claim_owners(owner, claim, member(2), is_condemned=condemned)
    assert [item["uid"] for item in found] == ["other", *owners]


@pytest.mark.parametrize(
    ("pods", "current", "counts"),
    [
        ([member(0), member(1), member(2)], NEW, (3, 3, 3, 3, 3)),
        ([member(0, OLD), member(1), member(2)], OLD, (3, 3, 1, 2, 3)),
        ([member(0), member(1), member(2, ready=False)], OLD, (3, 2, None, 3, 2)),
        ([member(0), member(1)], OLD, (2, 2, None, 2, 2)),
        ([], OLD, (0, None, None, None, 0)),
    ],
)
def test_status(pods: list[Json], current: str, counts: tuple[int | None, ...]) -> None:
    found = status.counted(stateful_set(), pods, current=OLD, update=NEW, collisions=0, now=NOW)
    names = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    assert (found["currentRevision"], tuple(found.get(name) for name in names)) == (current, counts)
