"""Controllers lose what they know or end: how long until another leads or admits, and until every sidecar is back."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Final, NamedTuple

from tests.kubernetes import faults
from tests.kubernetes.cluster import Cluster, Json
from tests.kubernetes.events import Gateway, roll_out
from tests.kubernetes.load import Tally, callers
from tests.support.admissions import Admissions, plugins_refused, pods_admitted

NAMESPACE: Final = "appmesh-system"
DEPLOYMENT: Final = "appmesh-controller"
SECRET: Final = "appmesh-controller-webhook-server-cert"
_SELECTOR: Final = "app.kubernetes.io/name=appmesh-controller"
LEASE: Final = "appmesh-controller-leader-election"
_IN_MESH: Final = ("prod", "kong")
_CONNECTED: Final = "envoy_control_plane_connected_state{} 1"
_BACK_S: Final = 180.0
_BLINK_S: Final = 0.2
_GRACE_S: Final = 10.0
LITTLE: Final = "100m"
# A pod of the walkthrough.
INJECTED: Final = "prod"
POD_OF_MESH: Final = {"app": "jazz", "version": "v1"}


class Disturbance(NamedTuple):
    """`seconds` until all was well again, while callers lost what `tally` says."""

    name: str
    seconds: float
    tally: Tally


Outcome = tuple[float, Tally]


Happen = Callable[[Cluster, str, str], Outcome]


def chosen(known: Mapping[str, Happen], words: list[str]) -> dict[str, Happen]:
    """Those whose names have all of the words."""
    return {name: each for name, each in known.items() if all(word in name.replace(",", "").split() for word in words)}


def disturbances(cluster: Cluster, url: str, host: str, happen: Mapping[str, Happen]) -> Iterator[Disturbance]:
    """`host` is answered at `url` by way of the mesh."""
    if happen:
        faults.join_mesh(cluster, is_meshed=True)
    for name, each in happen.items():
        yield Disturbance(name, *each(cluster, url, host))


def _lost_authority(cluster: Cluster, url: str, host: str) -> Outcome:
    """The Secret with the authority is deleted and every controller started anew: with an authority of its own."""
    with callers(url, host) as load:
        begun = time.monotonic()
        cluster.kubectl("delete", "secret", "-n", NAMESPACE, SECRET)
        roll_out(controllers(cluster, 1))
        until(lambda: not stranded(cluster), "sidecars do not come back")
        return time.monotonic() - begun, load.result()


def _changed_leader(cluster: Cluster, url: str, host: str) -> Outcome:
    """One of two controllers, the leader, is deleted."""
    _scale(cluster, 2)
    with callers(url, host) as load:
        leader = _holder(cluster)
        begun = time.monotonic()
        cluster.kubectl("delete", "pod", "-n", NAMESPACE, leader, "--wait=false")
        until(lambda: _holder(cluster) not in ("", leader), "nobody leads")
        seconds = time.monotonic() - begun
        until(lambda: not stranded(cluster), "sidecars do not come back")
        result = load.result()
    _scale(cluster, 1)
    return seconds, result


def _starved(cluster: Cluster, url: str, host: str) -> Outcome:
    """Both controllers begin anew with little CPU; `seconds` until the slower one is Ready."""
    gateway = Gateway(cluster, faults.NAMESPACE, faults.DEPLOYMENT, faults.SELECTOR, 1)
    gateway.scale(1)
    took_s = 0.0
    with callers(url, host) as load:
        for each, container in ((controllers(cluster, 1), "controller"), (gateway, "ingress-controller")):
            begun = time.monotonic()
            each.kubectl("set", "resources", f"deployment/{each.deployment}", "-c", container, f"--limits=cpu={LITTLE}")
            each.ready()
            took_s = max(took_s, time.monotonic() - begun)
            each.kubectl("rollout", "undo", f"deployment/{each.deployment}")
            each.settle(1)
        until(lambda: not stranded(cluster), "sidecars do not come back")
        return took_s, load.result()


def _rolled_out(cluster: Cluster, _url: str, _host: str) -> Outcome:
    """Pods are admitted all the time: none may be refused, or come without its sidecar."""
    return _admitted(pods_admitted(cluster.kubeconfig, INJECTED, POD_OF_MESH), controllers(cluster, 1))


def _rolled_out_gateway(cluster: Cluster, _url: str, _host: str) -> Outcome:
    """A wrong plugin is written all the time: each must be refused, none go unchecked."""
    gateway = Gateway(cluster, faults.NAMESPACE, faults.DEPLOYMENT, faults.SELECTOR, 1)
    gateway.scale(1)
    return _admitted(plugins_refused(cluster.kubeconfig, INJECTED), gateway)


def _admitted(asked: AbstractContextManager[Admissions], rolled: Gateway) -> Outcome:
    with asked as admissions:
        begun = time.monotonic()
        roll_out(rolled)
        seconds = time.monotonic() - begun
        # Until the rules of the former one are gone.
        time.sleep(_GRACE_S)
    return seconds, Tally(admissions.sent, dict(admissions.lost))


DISTURBANCES: Final[dict[str, Happen]] = {
    "controller rolled out, pods admitted": _rolled_out,
    "gateway rolled out, plugins checked": _rolled_out_gateway,
    "controllers begin with 100m of CPU": _starved,
    "leader deleted": _changed_leader,
    "authority lost": _lost_authority,
}


def controllers(cluster: Cluster, replicas: int) -> Gateway:
    return Gateway(cluster, NAMESPACE, DEPLOYMENT, _SELECTOR, replicas)


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
    controllers(cluster, replicas).scale(replicas)
    until(lambda: bool(_holder(cluster)), "nobody leads")


def until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _BACK_S
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} after {_BACK_S:.0f} s")
        time.sleep(_BLINK_S)
