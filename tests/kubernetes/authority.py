"""The mesh's controllers lose what they know or end: how long until another leads, and until every sidecar is back."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from tests.kubernetes.cluster import Cluster, Json
from tests.kubernetes.load import Tally, callers
from tests.support.pod_admissions import pods_admitted

NAMESPACE: Final = "appmesh-system"
DEPLOYMENT: Final = "appmesh-controller"
SECRET: Final = "appmesh-controller-webhook-server-cert"
LEASE: Final = "appmesh-controller-leader-election"
_IN_MESH: Final = ("prod", "kong")
_CONNECTED: Final = "envoy_control_plane_connected_state{} 1"
_BACK_S: Final = 180.0
_BLINK_S: Final = 0.2
_GRACE_S: Final = 10.0
# A pod of the walkthrough.
_INJECTED: Final = "prod"
_POD_OF_MESH: Final = {"app": "jazz", "version": "v1"}


class Disturbance(NamedTuple):
    """`seconds` until all was well again, while callers lost what `tally` says."""

    name: str
    seconds: float
    tally: Tally


def lost_authority(cluster: Cluster, url: str, host: str) -> Disturbance:
    """The Secret with the authority is deleted and every controller started anew: with an authority of its own."""
    with callers(url, host) as load:
        begun = time.monotonic()
        cluster.kubectl("delete", "secret", "-n", NAMESPACE, SECRET)
        cluster.kubectl("rollout", "restart", "-n", NAMESPACE, f"deployment/{DEPLOYMENT}")
        cluster.kubectl("rollout", "status", "-n", NAMESPACE, f"deployment/{DEPLOYMENT}", "--timeout=120s")
        _until(lambda: len(_pods(cluster, NAMESPACE)) == 1, "the former controller has not ended")
        _until(lambda: not stranded(cluster), "sidecars do not come back")
        return Disturbance("authority lost", time.monotonic() - begun, load.result())


def changed_leader(cluster: Cluster, url: str, host: str) -> Disturbance:
    """One of two controllers, the leader, is deleted."""
    _scale(cluster, 2)
    with callers(url, host) as load:
        leader = _holder(cluster)
        begun = time.monotonic()
        cluster.kubectl("delete", "pod", "-n", NAMESPACE, leader, "--wait=false")
        _until(lambda: _holder(cluster) not in ("", leader), "nobody leads")
        seconds = time.monotonic() - begun
        _until(lambda: not stranded(cluster), "sidecars do not come back")
        result = Disturbance("leader deleted", seconds, load.result())
    _scale(cluster, 1)
    return result


def rolled_out(cluster: Cluster, _url: str, _host: str) -> Disturbance:
    """Pods are admitted all the time: none may be refused, or come without its sidecar."""
    begun = time.monotonic()
    with pods_admitted(cluster.kubeconfig, _INJECTED, _POD_OF_MESH) as admissions:
        cluster.kubectl("rollout", "restart", "-n", NAMESPACE, f"deployment/{DEPLOYMENT}")
        cluster.kubectl("rollout", "status", "-n", NAMESPACE, f"deployment/{DEPLOYMENT}", "--timeout=120s")
        _until(lambda: len(_pods(cluster, NAMESPACE)) == 1, "the former controller has not ended")
        seconds = time.monotonic() - begun
        # Until the former one has ended, and its rules are gone.
        time.sleep(_GRACE_S)
    return Disturbance("controller rolled out, pods admitted", seconds, Tally(admissions.sent, dict(admissions.lost)))


DISTURBANCES: Final = (rolled_out, changed_leader, lost_authority)


def stranded(cluster: Cluster) -> list[str]:
    """Pods whose sidecars are connected to no controller."""
    pods = [pod for namespace in _IN_MESH for pod in _pods(cluster, namespace) if _has_sidecar(pod)]
    return [pod["metadata"]["name"] for pod in pods if _CONNECTED not in _statistics(cluster, pod)]


def _statistics(cluster: Cluster, pod: Json) -> str:
    metadata = pod["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}:9901/proxy/stats/prometheus"
    try:
        return cluster.kubectl("get", "--raw", path)
    except RuntimeError as error:
        return str(error)


def _has_sidecar(pod: Json) -> bool:
    spec = pod["spec"]
    return any(each["name"] == "envoy" for each in (*spec["containers"], *spec.get("initContainers", ())))


def _pods(cluster: Cluster, namespace: str) -> list[Json]:
    pods: list[Json] = cluster.read("pods", "-n", namespace)["items"]
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def _holder(cluster: Cluster) -> str:
    """The pod that leads; its Lease may name more than the pod."""
    identity = cluster.kubectl("get", "lease", "-n", NAMESPACE, LEASE, "-o", "jsonpath={.spec.holderIdentity}")
    return identity.partition("_")[0]


def _scale(cluster: Cluster, replicas: int) -> None:
    cluster.kubectl("scale", "-n", NAMESPACE, f"deployment/{DEPLOYMENT}", f"--replicas={replicas}")
    cluster.kubectl("rollout", "status", "-n", NAMESPACE, f"deployment/{DEPLOYMENT}", "--timeout=120s")
    _until(lambda: len(_pods(cluster, NAMESPACE)) == replicas, f"there are not {replicas} controllers")
    _until(lambda: bool(_holder(cluster)), "nobody leads")


def _until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _BACK_S
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} after {_BACK_S:.0f} s")
        time.sleep(_BLINK_S)
