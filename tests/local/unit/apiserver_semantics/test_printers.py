from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crossfade_local.apiserver.printers import Table
from crossfade_local.apiserver.printers.durations import human_duration
from crossfade_local.apiserver.printers.jsonpath import LONGEST, JsonPathError, Looks, find

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CREATED = "2026-01-01T11:59:00Z"


def cells(kind: tuple[str, str, str] | list[dict[str, Any]], obj: dict[str, Any]) -> dict[str, Any]:
    obj = {"metadata": {"name": "x", "creationTimestamp": CREATED}, **obj}
    table = Table(kind, NOW)
    return dict(zip((c["name"] for c in table.columns()), table.rows([obj])[0]["cells"], strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (119, "119s"),
        (120, "2m"),
        (599, "9m59s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (28799, "7h59m"),
        (172799, "47h"),
        (172800, "2d"),
        (2 * 86400 + 3600, "2d1h"),
        (8 * 86400, "8d"),
        (2 * 365 * 86400, "2y"),
        (2 * 365 * 86400 + 5 * 86400, "2y5d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    assert human_duration(timedelta(seconds=seconds).total_seconds()) == text


def status(state: dict[str, Any], *, ready: bool = False, restarts: int = 0, **more: Any) -> dict[str, Any]:
    return {"name": "c", "ready": ready, "restartCount": restarts, "state": state, **more}


RUNNING: dict[str, Any] = {"running": {}}
ENDED = {"lastState": {"terminated": {"finishedAt": "2026-01-01T11:59:30Z"}}}


@pytest.mark.parametrize(
    ("pod", "shown"),
    [
        ({"status": {"phase": "Pending"}}, "0/1 Pending 0"),
        ({"status": {"phase": "Running", "containerStatuses": [status(RUNNING, ready=True)]}}, "1/1 Running 0"),
        (
            {
                "status": {
                    "phase": "Running",
                    "containerStatuses": [status({"waiting": {"reason": "CrashLoopBackOff"}}, restarts=4, **ENDED)],
                }
            },
            "0/1 CrashLoopBackOff 4 (30s ago)",
        ),
        (
            {"status": {"phase": "Failed", "containerStatuses": [status({"terminated": {"exitCode": 3}})]}},
            "0/1 ExitCode:3 0",
        ),
        (
            {"status": {"phase": "Failed", "containerStatuses": [status({"terminated": {"signal": 9}})]}},
            "0/1 Signal:9 0",
        ),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "0/1 Evicted 0"),
        (
            {"status": {"phase": "Pending", "initContainerStatuses": [status(RUNNING, restarts=1)]}},
            "0/1 Init:0/1 1",
        ),
        (
            {"status": {"phase": "Pending", "initContainerStatuses": [status({"terminated": {"exitCode": 1}})]}},
            "0/1 Init:ExitCode:1 0",
        ),
        (
            {"status": {"initContainerStatuses": [status({"waiting": {"reason": "ImagePullBackOff"}})]}},
            "0/1 Init:ImagePullBackOff 0",
        ),
        (
            {
                "metadata": {"name": "x", "creationTimestamp": CREATED, "deletionTimestamp": CREATED},
                "status": {"phase": "Running"},
            },
            "0/1 Terminating 0",
        ),
        (
            {
                "status": {
                    "phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "containerStatuses": [
                        status({"terminated": {"exitCode": 0, "reason": "Completed"}}),
                        status(RUNNING, ready=True),
                    ],
                }
            },
            "1/1 Running 0",
        ),
        (
            {"status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]}},
            "0/1 SchedulingGated 0",
        ),
    ],
)
def test_pods(pod: dict[str, Any], shown: str) -> None:
    pod = {"spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]}, **pod}
    row = cells(("", "v1", "Pod"), pod)
    assert f"{row['Ready']} {row['Status']} {row['Restarts']}" == shown
    assert (row["Age"], row["IP"], row["Readiness Gates"]) == ("60s", "<none>", "<none>")


def test_sidecars_count_as_containers() -> None:
    pod = {
        "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "s", "restartPolicy": "Always"}]},
        "status": {
            "phase": "Running",
            "initContainerStatuses": [{**status(RUNNING, ready=True, restarts=2), "name": "s", "started": True}],
            "containerStatuses": [status(RUNNING, ready=True, restarts=1)],
        },
    }
    row = cells(("", "v1", "Pod"), pod)
    assert (row["Ready"], row["Restarts"]) == ("2/2", "3")


def test_done_pods_are_marked() -> None:
    (row,) = Table(("", "v1", "Pod"), NOW).rows([{"metadata": {}, "status": {"phase": "Succeeded"}}])
    assert row["conditions"][0]["reason"] == "Succeeded"


@pytest.mark.parametrize(
    ("spec", "balancer", "external", "ports"),
    [
        ({"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}]}, [], "<none>", "80/TCP"),
        (
            {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30001, "protocol": "TCP"}]},
            [],
            "<pending>",
            "80:30001/TCP",
        ),
        (
            {"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]},
            [{"hostname": "h"}, {"ip": "1.1.1.1"}],
            "1.1.1.1,h,9.9.9.9",
            "<none>",
        ),
        ({"type": "ExternalName", "externalName": "e.com"}, [], "e.com", "<none>"),
    ],
)
def test_services(spec: dict[str, Any], balancer: list[Any], external: str, ports: str) -> None:
    row = cells(("", "v1", "Service"), {"spec": spec, "status": {"loadBalancer": {"ingress": balancer}}})
    assert (row["External-IP"], row["Port(s)"]) == (external, ports)


def test_long_lists_are_cut() -> None:
    rules = [{"host": f"h{index}"} for index in range(5)]
    assert cells(("networking.k8s.io", "v1", "Ingress"), {"spec": {"rules": rules}})["Hosts"] == "h0,h1,h2 + 2 more..."
    subsets = [{"addresses": [{"ip": f"10.0.0.{n}"} for n in range(4)], "ports": [{"port": 80}]}]
    shown = cells(("", "v1", "Endpoints"), {"subsets": subsets})["Endpoints"]
    assert shown == "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 1 more..."


def test_an_old_autoscaler_shows_its_target() -> None:
    spec = {
        "scaleTargetRef": {"kind": "Deployment", "name": "d"},
        "maxReplicas": 3,
        "targetCPUUtilizationPercentage": 70,
    }
    row = cells(("autoscaling", "v1", "HorizontalPodAutoscaler"), {"spec": spec})
    assert (row["Reference"], row["Targets"], row["MinPods"]) == ("Deployment/d", "cpu: <unknown>/70%", "<unset>")


def test_custom_columns() -> None:
    columns = [
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Port", "type": "integer", "jsonPath": ".spec.listeners[0].port", "priority": 1},
        {"name": "Hosts", "type": "string", "jsonPath": ".spec.hosts"},
        {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
        {"name": "Wrong", "type": "integer", "jsonPath": ".spec.hosts"},
        {"name": "Since", "type": "date", "jsonPath": ".status.since"},
        {"name": "Gone", "type": "string", "jsonPath": ".nope.nope"},
    ]
    obj = {
        "spec": {"listeners": [{"port": 9080}], "hosts": ["a", "b"], "on": True},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "since": "whenever"},
    }
    assert list(cells(columns, obj).values()) == ["x", "True", 9080, '["a","b"]', True, None, "<invalid>", None]
    assert cells([], obj) == {"Name": "x", "Age": "60s"}
    assert Table(columns, NOW).columns()[2] == {
        "name": "Port",
        "type": "integer",
        "format": "",
        "description": "Custom resource definition column (in JSONPath format): .spec.listeners[0].port",
        "priority": 1,
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        ("{.a.b}", [1]),
        (".a['b']", [1]),
        (r".a.x\.y", [2]),
        (".list[*].n", [1, 2, 3]),
        (".list[-1].n", [3]),
        (".list[0:2].n", [1, 2]),
        (".list[?(@.n>1)].n", [2, 3]),
        (".list[?(@.tag)].n", [2]),
        (".list[?(@.tag=='t')].n", [2]),
        (".list[7]", []),
        ("..n", [1, 2, 3]),
    ],
)
def test_jsonpath(path: str, found: list[Any]) -> None:
    value = {"a": {"b": 1, "x.y": 2}, "list": [{"n": 1}, {"n": 2, "tag": "t"}, {"n": 3}]}
    assert list(find(path, value, Looks(1_000))) == found


def test_a_path_that_makes_no_sense() -> None:
    with pytest.raises(JsonPathError):
        list(find(".a[", {}, Looks(1_000)))


@pytest.mark.parametrize("path", ["..a" * 300, ".a" * LONGEST, "..[*]" * 100])
def test_a_path_that_leads_everywhere(path: str) -> None:
    value: dict[str, Any] = {}
    for _ in range(60):
        value = {"a": value, "b": [value]}
    with pytest.raises(JsonPathError):
        list(find(path, value, Looks(20_000)))


def test_kinds_without_a_printer_show_their_creation() -> None:
    assert cells(("rbac.authorization.k8s.io", "v1", "Role"), {}) == {"Name": "x", "Created At": CREATED}


@pytest.mark.parametrize(
    ("kind", "obj", "shown"),
    [
        (
            "CSIDriver",
            {"spec": {"attachRequired": True, "tokenRequests": [{"audience": "a"}]}},
            ["x", True, False, False, "a", False, "<none>", "60s"],
        ),
        ("CSINode", {"spec": {"drivers": [{"name": "a"}]}}, ["x", 1, "60s"]),
        (
            "VolumeAttachment",
            {"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}},
            ["x", "a", "v", "n", False, "60s"],
        ),
    ],
)  # fmt: skip
def test_drivers_of_volumes(kind: str, obj: dict[str, Any], shown: list[Any]) -> None:
    assert list(cells(("storage.k8s.io", "v1", kind), obj).values()) == shown
