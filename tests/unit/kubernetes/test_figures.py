"""What is counted on a cluster, and how it is told."""

import json
from typing import Any

from crossfade.demo.walkthrough import CHAPTERS, missing
from tests.kubernetes.authority import Disturbance
from tests.kubernetes.faults import Result
from tests.kubernetes.load import Tally, merged
from tests.kubernetes.memory import Memory, largest
from tests.kubernetes.report import Report, json_of, text_of
from tests.kubernetes.walkthrough import Span, adapted, timed

STEPS = [step for chapter in CHAPTERS for step in chapter.steps]
REPORT = Report(
    kubernetes="v1.34.4",
    seconds={"cluster to Ready": 11.14},
    steps=2,
    shown=2,
    lost=[Result("eviction", True, 3, Tally(4100, {})), Result("scale down", False, 1, Tally(4000, {"new: reset": 2}))],
    disturbances=[Disturbance("leader deleted", 1.26, Tally(4200, {}))],
    memory=[Memory("sidecar", 25 << 20)],
)


def test_callers_are_counted_together_and_told_apart() -> None:
    kept = {"sent": 2000, "lost": {"503 ": [1, 5.0, 5.0]}}
    new = {"sent": 2100, "lost": {"503 ": [2, 5.0, 6.0]}}
    tally = merged([json.dumps(kept), json.dumps(new)])
    assert tally == Tally(4100, {"kept: 503 ": 1, "new: 503 ": 2})
    assert tally.lost_count == 3


def test_of_each_kind_of_container_the_largest_is_told() -> None:
    def pod(namespace: str, **held: int) -> dict[str, Any]:
        containers = [{"name": name, "memory": {"workingSetBytes": size}} for name, size in held.items()]
        return {"podRef": {"namespace": namespace}, "containers": containers}

    first = {
        "pods": [pod("prod", envoy=10, jazz=99), pod("appmesh-system", controller=50), {"podRef": pod("x")["podRef"]}]
    }
    second = {"pods": [pod("prod", envoy=20), pod("elsewhere", envoy=70)]}
    assert largest([first, second]) == [Memory("controller of the mesh", 50), Memory("sidecar", 20)]


def test_the_report_says_every_figure() -> None:
    text = text_of(REPORT)
    assert "eviction    meshed    3         0 of 4100" in text
    assert "scale down  unmeshed  1         2 of 4000  2× new: reset" in text
    assert "leader deleted  1.3      0 of 4200" in text
    assert "walkthrough: 2 of 2 steps" in text
    assert json.loads(json_of(REPORT))["lost"][1]["tally"] == {"sent": 4000, "lost": {"new: reset": 2}}


def test_a_run_is_fine_where_all_was_shown_and_nothing_lost() -> None:
    assert not REPORT.is_fine
    assert REPORT._replace(lost=REPORT.lost[:1]).is_fine
    assert not REPORT._replace(lost=[], shown=1).is_fine


def test_steps_of_the_walkthrough_are_those_of_current_clusters() -> None:
    commands = [adapted(step).command for step in STEPS]
    assert "kubectl create -f examples/kong/dj_ingress-v1.yml" in commands
    assert not any("dj -- curl" in command or "dj_ingress.yml" in command for command in commands)
    assert sum(adapted(step) != step for step in STEPS) > 5


def test_an_address_that_is_still_pending_is_none() -> None:
    (step,) = [adapted(step) for step in STEPS if step.command == "kubectl get service -n kong"]
    line = "kong-kong-proxy   LoadBalancer   10.96.31.7   {}   80:31215/TCP,443:30414/TCP   4s"
    assert list(missing(step, line.format("10.98.0.1"))) == []
    assert list(missing(step, line.format("a1b2.elb.example.com"))) == []
    assert list(missing(step, line.format("<pending>"))) == ["it has an address"]


def test_installing_is_timed_from_the_first_command_to_the_last() -> None:
    spans = [
        Span("crossfade install mesh | kubectl apply -f -", 1.0, 2.0),
        Span("kubectl rollout status deployment/appmesh-controller -n appmesh-system", 2.0, 9.0),
    ]
    assert timed(spans) == {"walkthrough": 9.0, "mesh controller, from install to Ready": 8.0}
