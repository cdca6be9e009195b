"""What objects take from quotas, which quotas look at them, and what is refused."""

from fractions import Fraction
from typing import Any

import pytest

from crossfade_local.apiserver.quota.enforcement import problem_with
from crossfade_local.apiserver.quota.ledger import Count, Ledger
from crossfade_local.apiserver.quota.usage import looks_at, usage
from crossfade_local.apiserver.state.database import Database
from crossfade_local.apiserver.state.storage import Storage
from crossfade_local.pod_resources import spelled

Json = dict[str, Any]


def pod(*, phase: str = "Pending", requests: Json | None = None, limits: Json | None = None, **spec: Any) -> Json:
    container = {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}}
    return {"metadata": {"name": "p"}, "spec": {"containers": [container], **spec}, "status": {"phase": phase}}


def quota(hard: Json, **spec: Any) -> Json:
    return {"metadata": {"name": "q", "namespace": "ns"}, "spec": {"hard": hard, **spec}}


def service(kind: str, **spec: Any) -> Json:
    return {"spec": {"type": kind, "ports": [{"port": 1}, {"port": 2}], **spec}}


@pytest.mark.parametrize(
    ("bucket", "obj", "used"),
    [
        ("/configmaps", {}, {"count/configmaps": 1, "configmaps": 1}),
        ("apps/deployments", {}, {"count/deployments.apps": 1}),
        (
            "/pods",
            pod(requests={"cpu": "500m", "x.io/gpu": "2"}, limits={"memory": "1Ki"}),
            {
                "count/pods": 1,
                "pods": 1,
                "cpu": Fraction(1, 2),
                "requests.cpu": Fraction(1, 2),
                "requests.x.io/gpu": 2,
                "limits.memory": 1024,
            },
        ),
        ("/pods", pod(phase="Succeeded", requests={"cpu": "1"}), {"count/pods": 1}),
        ("/services", service("ClusterIP"), {"count/services": 1, "services": 1}),
        ("/services", service("NodePort"), {"count/services": 1, "services": 1, "services.nodeports": 2}),
        (
            "/services",
            service("LoadBalancer", allocateLoadBalancerNodePorts=False),
            {"count/services": 1, "services": 1, "services.nodeports": 0, "services.loadbalancers": 1},
        ),
        (
            "/persistentvolumeclaims",
            {"spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "2Ki"}}}},
            {
                "count/persistentvolumeclaims": 1,
                "persistentvolumeclaims": 1,
                "requests.storage": 2048,
                "fast.storageclass.storage.k8s.io/requests.storage": 2048,
                "fast.storageclass.storage.k8s.io/persistentvolumeclaims": 1,
            },
        ),
    ],
)
def test_usage(bucket: str, obj: Json, used: Json) -> None:
    assert usage(bucket, obj) == used


@pytest.mark.parametrize(
    ("spec", "obj", "looks"),
    [
        ({}, pod(), True),
        ({"scopes": ["BestEffort"]}, pod(), True),
        ({"scopes": ["BestEffort"]}, pod(requests={"cpu": "1"}), False),
        ({"scopes": ["NotBestEffort", "Terminating"]}, pod(requests={"cpu": "1"}, activeDeadlineSeconds=3), True),
        ({"scopes": ["NotTerminating"]}, pod(activeDeadlineSeconds=3), False),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["a"]}]
                }
            },
            pod(priorityClassName="a"),
            True,
        ),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}},
            pod(priorityClassName="a"),
            False,
        ),
        ({"scopes": ["CrossNamespacePodAffinity"]}, pod(), False),
    ],
)
def test_scopes(spec: Json, obj: Json, looks: bool) -> None:
    assert looks_at(quota({}, **spec), "/pods", obj) is looks
    assert looks_at(quota({}, **spec), "/secrets", {}) is (not spec)


def test_refusals() -> None:
    limited = quota({"pods": "2", "requests.memory": "1Gi"})
    used = {"pods": Fraction(2), "requests.memory": Fraction(2**29)}
    new = pod(requests={"memory": "1Gi"})
    assert problem_with(limited, used, Count("/pods", None), Count("/pods", new)) == (
        "exceeded quota: q, requested: pods=1,requests.memory=1Gi, used: pods=2,requests.memory=512Mi,"
        " limited: pods=2,requests.memory=1Gi"
    )
    assert problem_with(limited, used, Count("/pods", None), Count("/pods", pod())) == (
        "failed quota: q: must specify requests.memory for: c"
    )
    assert not problem_with(limited, used, Count("/pods", new), Count("/pods", new))
    assert not problem_with(limited, used, Count("/secrets", None), Count("/secrets", {}))


def test_quantities_are_spelled_as_people_write_them() -> None:
    assert [
        spelled("cpu", Fraction(1, 10)),
        spelled("limits.memory", Fraction(3 * 2**20)),
        spelled("pods", Fraction(0)),
    ] == [
        "100m",
        "3Mi",
        "0",
    ]


async def test_the_ledger_follows_every_write() -> None:
    storage = Storage(Database(None))
    ledger = Ledger(storage)
    first = await storage.create("/pods", "ns", "a", pod(requests={"cpu": "1"}))
    await storage.create("/resourcequotas", "ns", "q", quota({"pods": "9", "cpu": "9"}))
    assert ledger.used("ns", "q") == {"pods": 1, "cpu": 1}
    await storage.create("/pods", "ns", "b", pod(requests={"cpu": "2"}))
    await storage.create("/pods", "elsewhere", "c", pod(requests={"cpu": "2"}))
    assert ledger.used("ns", "q") == {"pods": 2, "cpu": 3}
    done = await storage.update("/pods", first, pod(phase="Succeeded", requests={"cpu": "1"}))
    assert ledger.used("ns", "q") == {"pods": 1, "cpu": 2}
    await storage.delete("/pods", done)
    assert ledger.used("ns", "q") == Ledger(storage).used("ns", "q")
    stored = storage.get("/resourcequotas", "ns", "q")
    assert stored is not None
    await storage.delete("/resourcequotas", stored)
    assert not ledger.quotas("ns")
