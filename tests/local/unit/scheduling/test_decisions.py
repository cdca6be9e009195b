"""Which pods one node takes, whom they push aside, and in which words others are told to wait."""

from typing import Any, Final

import pytest

from crossfade_local.scheduling.cluster import Cluster, PodFacts
from crossfade_local.scheduling.decisions import Bind, Nominated, Unschedulable, decide

Json = dict[str, Any]

LABELS: Final = {"kubernetes.io/hostname": "one", "disk": "ssd", "size": "5"}
CAPACITY: Final = {"cpu": "2", "memory": "4Gi", "pods": "4"}
HELPLESS: Final = (
    " no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)
NO_VICTIMS: Final = (
    " no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
)


def node(**spec: Any) -> Json:
    return {"metadata": {"name": "one", "labels": LABELS}, "spec": spec, "status": {"allocatable": CAPACITY}}


def pod(name: str = "new", *, labels: Json | None = None, requests: Json | None = None, **spec: Any) -> PodFacts:
    container = {"name": "c", "resources": {"requests": requests or {}}, "ports": spec.pop("ports", [])}
    metadata = {"namespace": spec.pop("namespace", "ns"), "name": name, "uid": name, "labels": labels or {}}
    return PodFacts.of({"metadata": metadata, "spec": {"containers": [container], **spec}})


def cluster(*pods: PodFacts, **spec: Any) -> Cluster:
    made = Cluster()
    made.set_node(node(**spec))
    made.namespaces["ns"] = {"team": "a"}
    for one in pods:
        made.place(one, "one")
    return made


def affinity(kind: str, **term: Any) -> Json:
    full = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}, **term}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [full]}}


def spread(**more: Any) -> Json:
    return {"maxSkew": 1, "topologyKey": "disk", "labelSelector": {}, **more}


def node_affinity(*terms: list[Json]) -> Json:
    chosen = {"nodeSelectorTerms": [{"matchExpressions": term} for term in terms]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": chosen}}}


def requirement(key: str, operator: str, *values: str) -> Json:
    return {"key": key, "operator": operator, "values": list(values)}


TAINT: Final = {"key": "lab", "value": "x", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("there", "spec", "new", "message"),
    [
        ([], {}, pod(), ""),
        ([], {}, pod(requests={"cpu": "2", "memory": "4Gi"}), ""),
        ([], {}, pod(requests={"cpu": "500"}), f"0/1 nodes are available: 1 Insufficient cpu.{HELPLESS}"),
        (
            [pod("old", requests={"cpu": "1500m", "memory": "3Gi"})],
            {},
            pod(requests={"cpu": "501m", "memory": "2Gi"}),
            f"0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.{NO_VICTIMS}",
        ),
        ([], {}, pod(requests={"x.io/gpu": "1"}), f"0/1 nodes are available: 1 Insufficient x.io/gpu.{HELPLESS}"),
        ([], {}, pod(requests={"x.io/gpu": "0"}), ""),
        ([pod(str(n)) for n in range(4)], {}, pod(), f"0/1 nodes are available: 1 Too many pods.{NO_VICTIMS}"),
        ([], {"unschedulable": True}, pod(), f"0/1 nodes are available: 1 node(s) were unschedulable.{HELPLESS}"),
        ([], {"unschedulable": True}, pod(tolerations=[{"operator": "Exists"}]), ""),
        ([], {"taints": [TAINT]}, pod(), f"0/1 nodes are available: 1 node(s) had untolerated taint(s).{HELPLESS}"),
        ([], {"taints": [TAINT]}, pod(tolerations=[{"key": "lab", "value": "x", "effect": "NoSchedule"}]), ""),
        ([], {"taints": [{**TAINT, "effect": "PreferNoSchedule"}]}, pod(), ""),
        (
            [],
            {},
            pod(nodeSelector={"disk": "hdd"}),
            f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.{HELPLESS}",
        ),
        ([], {}, pod(**node_affinity([requirement("size", "Gt", "4")])), ""),
        ([], {}, pod(**node_affinity([requirement("disk", "In", "hdd")], [requirement("size", "Lt", "9")])), ""),
        (
            [],
            {},
            pod(**node_affinity([requirement("disk", "Exists"), requirement("size", "DoesNotExist")])),
            f"0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.{HELPLESS}",
        ),
        (
            [pod("old", ports=[{"hostPort": 80, "hostIP": "127.0.0.1"}])],
            {},
            pod(ports=[{"hostPort": 80}]),
            f"0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.{NO_VICTIMS}",
        ),
        ([pod("old", ports=[{"hostPort": 80}])], {}, pod(ports=[{"hostPort": 80, "protocol": "UDP"}]), ""),
        (
            [],
            {},
            pod(affinity=affinity("podAffinity")),
            f"0/1 nodes are available: 1 node(s) didn't match pod affinity rules.{HELPLESS}",
        ),
        ([pod("old", labels={"app": "web"})], {}, pod(affinity=affinity("podAffinity")), ""),
        ([], {}, pod(labels={"app": "web"}, affinity=affinity("podAffinity")), ""),
        (
            [pod("old", labels={"app": "web"}, namespace="other")],
            {},
            pod(affinity=affinity("podAffinity", namespaceSelector={"matchLabels": {"team": "a"}})),
            f"0/1 nodes are available: 1 node(s) didn't match pod affinity rules.{HELPLESS}",
        ),
        (
            [pod("old", labels={"app": "web"})],
            {},
            pod(namespace="other", affinity=affinity("podAffinity", namespaceSelector={})),
            "",
        ),
        (
            [pod("old", labels={"app": "web"})],
            {},
            pod(affinity=affinity("podAntiAffinity")),
            f"0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.{NO_VICTIMS}",
        ),
        (
            [pod("old", affinity=affinity("podAntiAffinity"))],
            {},
            pod(labels={"app": "web"}),
            f"0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.{NO_VICTIMS}",
        ),
        (
            [pod("old", labels={"app": "web", "v": "1"})],
            {},
            pod(labels={"app": "web", "v": "2"}, affinity=affinity("podAntiAffinity", matchLabelKeys=["v"])),
            "",
        ),
        (
            [],
            {},
            pod(topologySpreadConstraints=[spread(topologyKey="zone")]),
            "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label)."
            + HELPLESS,
        ),
        (
            [pod("old", labels={"app": "web"})],
            {},
            pod(
                labels={"app": "web"},
                topologySpreadConstraints=[
                    spread(minDomains=2, labelSelector={"matchLabels": {"app": "web"}})
                ],
            ),
            f"0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints.{NO_VICTIMS}",
        ),
        (
            [pod("old", labels={"app": "web"})],
            {},
            pod(labels={"app": "web"}, topologySpreadConstraints=[spread()]),
            "",
        ),
    ],
)  # fmt: skip
def test_one_node(there: list[PodFacts], spec: Json, new: PodFacts, message: str) -> None:
    found = decide(new, cluster(*there, **spec))
    assert found == (Unschedulable(message) if message else Bind("one"))


def test_without_nodes_nothing_is_scheduled() -> None:
    assert decide(pod(), Cluster()) == Unschedulable("no nodes available to schedule pods")


def test_init_containers_and_sidecars_count_as_the_kubelet_needs_them() -> None:
    def asks(cpu: str, **more: Any) -> Json:
        return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}

    initial = [asks("300m", restartPolicy="Always"), asks("1900m"), asks("100m", restartPolicy="Always")]
    spec = {"initContainers": initial, "containers": [asks("500m")], "overhead": {"cpu": "1m"}}
    facts = PodFacts.of({"metadata": {"name": "a", "uid": "a"}, "spec": spec})
    assert facts.requests == {"cpu": 300 + 1900 + 1}


def test_a_pod_that_matters_more_pushes_as_few_aside_as_it_needs() -> None:
    old = [
        pod("small", requests={"cpu": "500m"}, priority=1),
        pod("big", requests={"cpu": "1"}, priority=1),
        pod("dear", requests={"cpu": "500m"}, priority=20),
    ]
    there = cluster(*old)
    new = pod(requests={"cpu": "500m"}, priority=10)
    found = decide(new, there)
    assert isinstance(found, Unschedulable)
    assert found.message == "0/1 nodes are available: 1 Insufficient cpu."
    assert (found.node, [one.name for one in found.victims]) == ("one", ["small"])
    assert there.nodes["one"].used["cpu"] == 2000
    meek = pod("meek", requests={"cpu": "500m"}, priority=10, preemptionPolicy="Never")
    said = decide(meek, there)
    assert isinstance(said, Unschedulable)
    assert not said.victims
    assert said.message.endswith("preemption: not eligible due to preemptionPolicy=Never.")


def test_what_was_freed_for_a_pod_is_kept_for_it() -> None:
    there = cluster(pod("old", requests={"cpu": "1"}, priority=1))
    winner = pod("winner", requests={"cpu": "2"}, priority=10)
    nominated = [Nominated(winner, "one")]
    waits = decide(winner, there, nominated=nominated, leaving=frozenset({"old"}))
    assert isinstance(waits, Unschedulable)
    assert "not eligible due to a terminating pod on the nominated node." in waits.message
    assert isinstance(decide(pod("late", requests={"cpu": "1"}), there, nominated=nominated), Unschedulable)
    there.forget("old")
    assert decide(winner, there, nominated=nominated) == Bind("one")


def test_sums_stay_right_while_pods_come_and_go() -> None:
    there = cluster()
    for round_ in range(3):
        for number in range(4):
            there.place(pod(str(number), requests={"cpu": f"{100 * (round_ + 1)}m"}, ports=[{"hostPort": 80}]), "one")
    assert there.nodes["one"].used["cpu"] == 4 * 300
    for number in range(4):
        there.forget(str(number))
    assert decide(pod(requests={"cpu": "2"}, ports=[{"hostPort": 80}]), there) == Bind("one")


@pytest.mark.parametrize(("reason", "counted"), [("Deferred", 3000), ("Infeasible", 1000), (None, 3000)])
def test_a_resize_counts_while_it_waits_unless_it_can_never_be(reason: str | None, counted: int) -> None:
    conditions = [{"type": "PodResizePending", "status": "True", "reason": reason}] if reason else []
    statuses = [{"name": "c", "allocatedResources": {"cpu": "1"}}]
    container = {"name": "c", "resources": {"requests": {"cpu": "3"}}}
    metadata = {"name": "a", "uid": "a"}
    status = {"conditions": conditions, "containerStatuses": statuses}
    facts = PodFacts.of({"metadata": metadata, "spec": {"containers": [container]}, "status": status})
    assert facts.requests["cpu"] == counted
