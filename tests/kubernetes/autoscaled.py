"""A HorizontalPodAutoscaler of the chart has pods of the gateway begin and end while callers ask."""

from typing import Final

from crossfade.install.gateway import GatewayInstallSettings, gateway_manifests
from tests.kubernetes.cluster import Json
from tests.kubernetes.events import Event, Gateway

_MOST: Final = 3
# Of the CPU that the pods request: below and above what the callers cost.
_LITTLE: Final = 1
_MUCH: Final = 5_000


def autoscaler(target: int) -> Json:
    """Without pauses between its steps; `target` in percent."""
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 0}, "scaleUp": {"stabilizationWindowSeconds": 0}}
    values = {
        "enabled": True,
        "minReplicas": 1,
        "maxReplicas": _MOST,
        "behavior": behavior,
        "targetCPUUtilizationPercentage": target,
    }
    made = gateway_manifests(GatewayInstallSettings(values={"autoscaling": values}))
    return next(each for each in made if each["kind"] == "HorizontalPodAutoscaler")


def _scale(gateway: Gateway) -> None:
    """Up and down again."""
    up, down = autoscaler(_LITTLE), autoscaler(_MUCH)
    try:
        gateway.cluster.apply(up)
        gateway.settle(_MOST)
        gateway.cluster.apply(down)
        gateway.settle(1)
    finally:
        gateway.kubectl("delete", "horizontalpodautoscaler", up["metadata"]["name"])


AUTOSCALED: Final = Event("autoscaled", _scale, replicas=(1,))
