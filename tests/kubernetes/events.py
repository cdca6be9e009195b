"""What happens to a gateway in its life: each event returns when it is over."""

import json
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from tests.kubernetes.cluster import Cluster, Json

_READY_S: Final = 180.0
# Pods more, and less again.
_MORE: Final = 2


class Gateway(NamedTuple):
    """Its Deployment; a controller's is one too."""

    cluster: Cluster
    namespace: str
    deployment: str
    selector: str
    replicas: int

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def pods(self) -> list[Json]:
        """Those that are not about to end."""
        pods: list[Json] = self.cluster.read("pods", "-n", self.namespace, "-l", self.selector)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def scale(self, replicas: int) -> None:
        self.kubectl("scale", f"deployment/{self.deployment}", f"--replicas={replicas}")
        self.settle(replicas)

    def ready(self) -> None:
        self.kubectl("rollout", "status", f"deployment/{self.deployment}", f"--timeout={_READY_S:.0f}s")

    def settle(self, replicas: int) -> None:
        """Waits until `replicas` pods are Ready and all others gone."""
        self.ready()
        deadline = time.monotonic() + _READY_S
        while len(self.kubectl("get", "pods", "-l", self.selector, "-o", "name").split()) != replicas:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.deployment} has not {replicas} pods after {_READY_S:.0f} s")
            time.sleep(0.5)


class Event(NamedTuple):
    name: str
    happen: Callable[[Gateway], None]
    nodes: int = 1
    """How many the cluster must have."""
    ends_smaller: bool = False
    replicas: tuple[int, ...] = (1, 2, 3)
    """With how many it happens."""

    def begins_with(self, replicas: int) -> int:
        return replicas + _MORE if self.ends_smaller else replicas


def roll_out(gateway: Gateway) -> None:
    gateway.kubectl("rollout", "restart", f"deployment/{gateway.deployment}")
    gateway.settle(gateway.replicas)


def _scale_up(gateway: Gateway) -> None:
    gateway.scale(gateway.replicas + _MORE)


def _scale_down(gateway: Gateway) -> None:
    gateway.scale(gateway.replicas)


def _evict(gateway: Gateway) -> None:
    """One pod after the other, as a drain or the API of evictions does it.

    The last pod cannot be evicted without a gap: there a second one is begun first, as operations.md has it.
    """
    if gateway.replicas == 1:
        gateway.scale(2)
    for pod in gateway.pods():
        _evict_pod(gateway, pod["metadata"]["name"])
        gateway.settle(max(2, gateway.replicas))
    if gateway.replicas == 1:
        gateway.scale(1)


def _evict_pod(gateway: Gateway, name: str) -> None:
    metadata = {"name": name, "namespace": gateway.namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{gateway.namespace}/pods/{name}/eviction"
    gateway.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def _drain(gateway: Gateway) -> None:
    """The node with the gateway's first pod. The only pod of a gateway is moved by a rollout before."""
    node = gateway.pods()[0]["spec"]["nodeName"]
    try:
        gateway.cluster.kubectl("cordon", node)
        if gateway.replicas == 1:
            roll_out(gateway)
        options = ["--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={_READY_S:.0f}s"]
        gateway.cluster.kubectl("drain", node, f"--pod-selector={gateway.selector}", *options)
        gateway.settle(gateway.replicas)
    finally:
        gateway.cluster.kubectl("uncordon", node)


EVENTS: Final = (
    Event("rolling update", roll_out),
    Event("scale up", _scale_up),
    Event("scale down", _scale_down, ends_smaller=True),
    Event("eviction", _evict),
    Event("node drain", _drain, nodes=2),
)
