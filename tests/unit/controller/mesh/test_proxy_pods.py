"""What is kept of a pod that was given a proxy."""

from datetime import UTC, datetime
from typing import Any

import pytest

from crossfade.controller.mesh.proxy_pods import ProxyPods, digest_of, proxy_pod
from crossfade_kube.client import Client
from crossfade_kube.kubeconfig import ClusterConfig
from crossfade_kube.meta import NamespacedName
from crossfade_kube.watch import WatchEvent

Json = dict[str, Any]
STARTED = {"running": {"startedAt": "2026-11-28T10:00:00Z"}}
ENVOY = {"name": "envoy", "env": [{"name": "CROSSFADE_ADS_CA", "value": "PEM\n"}]}


def pod(state: Json | None = None, *, native: bool = False, name: str = "jazz-1", **status: Any) -> Json:
    kind, statuses = ("initContainers", "initContainerStatuses") if native else ("containers", "containerStatuses")
    shown = [{"name": "proxyinit", "state": {}}, {"name": "envoy", "state": STARTED if state is None else state}]
    return {
        "metadata": {"name": name, "namespace": "prod", "uid": "u", "resourceVersion": "7"},
        "spec": {kind: [{"name": "other"}, ENVOY]},
        "status": {"phase": "Running", statuses: shown, **status},
    }


@pytest.mark.parametrize("native", [False, True], ids=["classic", "native"])
def test_of_a_pod_is_kept_since_when_its_proxy_runs_and_whom_it_was_told_to_trust(native: bool) -> None:
    found = proxy_pod(pod(native=native))
    assert found is not None
    assert (found.node, found.ref.uid, found.resource_version) == ("prod/jazz-1", "u", "7")
    assert found.runs_since == datetime(2026, 11, 28, 10, tzinfo=UTC)
    assert found.authority == digest_of("PEM")
    assert not found.is_told


@pytest.mark.parametrize(
    ("conditions", "is_told"),
    [
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "crossfade.dev/sidecar-connected", "status": "True"}], False),
        ([{"type": "crossfade.dev/sidecar-connected", "status": "False"}], True),
        (None, False),
    ],
)
def test_its_condition_says_whether_it_was_missed(conditions: Any, is_told: bool) -> None:
    found = proxy_pod(pod(conditions=conditions))
    assert found is not None
    assert found.is_told is is_told


@pytest.mark.parametrize(
    "ending",
    [
        pod({"waiting": {"reason": "CrashLoopBackOff"}}),
        pod({"terminated": {"exitCode": 1}}),
        pod(phase="Pending"),
        pod(phase="Succeeded"),
        pod() | {"status": None},
        pod() | {"metadata": {"name": "jazz-1", "namespace": "prod", "deletionTimestamp": "2026-11-28T11:00:00Z"}},
    ],
)
def test_a_pod_whose_proxy_does_not_run_is_not_missed(ending: Json) -> None:
    assert proxy_pod(ending) is None


def test_pods_come_and_go() -> None:
    pods = ProxyPods(Client(ClusterConfig(server="http://127.0.0.1:1")))
    pods.replace([pod(), pod(name="jazz-2")])
    pods.apply(WatchEvent("MODIFIED", pod({"terminated": {}}, name="jazz-2")))
    pods.apply(WatchEvent("ADDED", pod(name="jazz-3")))
    assert [one.ref.name for one in pods] == ["jazz-1", "jazz-3"]
    pods.apply(WatchEvent("DELETED", pod(name="jazz-3")))
    assert {NamespacedName(one.ref.namespace, one.ref.name) for one in pods} == {NamespacedName("prod", "jazz-1")}
    assert not pods.are_known
