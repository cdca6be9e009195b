"""How many pods a gateway has, and how many may be gone at once."""

from typing import Any

from crossfade.install.gateway_chart.names import FULLNAME, SELECTOR, manifest
from crossfade.install.template.nodes import Given, Not, Value, When
from crossfade_kube.meta import JsonObject


def scaling() -> dict[str, Any]:
    return {
        "horizontal-pod-autoscaler.yaml": When(Value("autoscaling.enabled"), _autoscaler()),
        "pod-disruption-budget.yaml": When(Value("podDisruptionBudget.enabled"), _budget()),
    }


def _autoscaler() -> JsonObject:
    utilization = Value("autoscaling.targetCPUUtilizationPercentage")
    cpu = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": utilization}},
    }
    return manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        FULLNAME,
        annotations=Given("autoscaling.annotations"),
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": FULLNAME},
            "minReplicas": Value("autoscaling.minReplicas"),
            "maxReplicas": Value("autoscaling.maxReplicas"),
            "behavior": Given("autoscaling.behavior"),
            "metrics": When(utilization, [cpu], Value("autoscaling.metrics")),
        },
    )


def _budget() -> JsonObject:
    least = Value("podDisruptionBudget.minAvailable")
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        FULLNAME,
        spec={
            "minAvailable": When(least, least),
            "maxUnavailable": When(Not(least), Value("podDisruptionBudget.maxUnavailable")),
            "unhealthyPodEvictionPolicy": Given("podDisruptionBudget.unhealthyPodEvictionPolicy"),
            "selector": {"matchLabels": SELECTOR},
        },
    )
