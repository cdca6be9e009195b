"""HorizontalPodAutoscalers against the real server, where nothing can be measured: what they say and still do."""

from typing import Any

from crossfade_kube.resources import DEPLOYMENT
from crossfade_local.controllers.autoscaling.controller import AUTOSCALER
from tests.local.protocol.controllers.conftest import Bed

Json = dict[str, Any]
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
PACKETS = {
    "type": "Pods",
    "pods": {"metric": {"name": "packets"}, "target": {"type": "AverageValue", "averageValue": "1k"}},
}


async def autoscale(bed: Bed, *metrics: Json, name: str = "more", **spec: Any) -> None:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "jazz"}
    body = {"scaleTargetRef": reference, "maxReplicas": 5, "metrics": list(metrics or (CPU,)), **spec}
    await bed.create(AUTOSCALER, {"metadata": {"name": name}, "spec": body})


async def condition(bed: Bed, kind: str, reason: str) -> str:
    """Its message, once it has that reason."""

    async def found() -> str | None:
        status = ((await bed.get(AUTOSCALER, "more")) or {}).get("status") or {}
        for one in status.get("conditions") or ():
            if (one["type"], one["reason"]) == (kind, reason):
                return f"{one['status']}: {one['message']}"
        return None

    return str(await bed.until(found, f"{kind} because of {reason}"))


async def event(bed: Bed, reason: str) -> str:
    async def found() -> list[str]:
        return await bed.messages(reason)

    return str((await bed.until(found, reason))[0])


async def test_a_target_that_is_not_there_is_named(bed: Bed) -> None:
    await autoscale(bed)
    said = await condition(bed, "AbleToScale", "FailedGetScale")
    missing = 'deployments.apps "jazz" not found'
    assert said == f"False: the HPA controller was unable to get the target's current scale: {missing}"
    assert await event(bed, "FailedGetScale") == missing


async def test_metrics_that_nobody_serves_are_named(bed: Bed) -> None:
    await bed.deploy("jazz")
    await autoscale(bed, PACKETS)
    why = (
        "unable to get metric packets: unable to fetch metrics from custom metrics API: no custom metrics API "
        "(custom.metrics.k8s.io) registered"
    )
    said = await condition(bed, "ScalingActive", "FailedGetPodsMetric")
    assert said == f"False: the HPA was unable to compute the replica count: {why}"
    head = "invalid metrics (1 invalid out of 1), first error is: failed to get pods metric value"
    assert await event(bed, "FailedComputeMetricsReplicas") == f"{head}: {why}"


async def test_without_usage_nothing_is_scaled(bed: Bed) -> None:
    await bed.deploy("jazz", replicas=2)
    await autoscale(bed)
    said = await condition(bed, "ScalingActive", "FailedGetResourceMetric")
    assert "failed to get cpu utilization: unable to get metrics for resource cpu: unable to fetch metrics" in said
    assert ((await bed.get(DEPLOYMENT, "jazz")) or {})["spec"]["replicas"] == 2


async def test_bounds_hold_without_metrics(bed: Bed) -> None:
    await bed.deploy("jazz", replicas=1)
    await autoscale(bed, minReplicas=3)
    reason = "Current number of replicas below Spec.MinReplicas"
    assert await event(bed, "SuccessfulRescale") == f"New size: 3; reason: {reason}"
    await bed.rolled_out("jazz")
    assert len(await bed.pods()) == 3
    await bed.patch(AUTOSCALER, "more", {"spec": {"minReplicas": 1, "maxReplicas": 2}})

    async def fewer() -> bool:
        status = ((await bed.get(AUTOSCALER, "more")) or {})["status"]
        return bool(status["desiredReplicas"] == 2 and status["lastScaleTime"])

    await bed.until(fewer, "no more than the maximum")
    assert ((await bed.get(DEPLOYMENT, "jazz")) or {})["spec"]["replicas"] == 2


async def test_a_target_of_no_replicas_is_left_alone(bed: Bed) -> None:
    await bed.deploy("jazz", replicas=0)
    await autoscale(bed)
    said = await condition(bed, "ScalingActive", "ScalingDisabled")
    assert said == "False: scaling is disabled since the replica count of the target is zero"


async def test_two_for_one_target_do_not_contend(bed: Bed) -> None:
    await bed.deploy("jazz")
    await autoscale(bed, name="least", minReplicas=3)
    await event(bed, "SuccessfulRescale")
    await autoscale(bed, maxReplicas=2)
    both = f"[{bed.namespace}/least {bed.namespace}/more]"
    said = await condition(bed, "ScalingActive", "AmbiguousSelector")
    assert said == f"False: pods by selector app=jazz are controlled by multiple HPAs: {both}"
    assert ((await bed.get(DEPLOYMENT, "jazz")) or {})["spec"]["replicas"] == 3
