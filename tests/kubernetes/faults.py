"""What callers of a gateway lose while it lives: events × replicas, in the mesh and out of it."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.kubernetes.cluster import Cluster, Json
from tests.kubernetes.events import EVENTS, Event, Gateway
from tests.kubernetes.load import Tally, callers

NAMESPACE: Final = "kong"
DEPLOYMENT: Final = "kong-kong"
SELECTOR: Final = "app.kubernetes.io/instance=kong,app.kubernetes.io/component=app"
_INJECTION: Final = "appmesh.k8s.aws/sidecarInjectorWebhook"
# Services of the walkthrough: the mesh's, and the pods behind it, which callers out of the mesh reach by themselves.
MESHED: Final = "meshed.test"
UNMESHED: Final = "unmeshed.test"
_BACKENDS: Final = {MESHED: "jazz", UNMESHED: "jazz-v1"}


class Result(NamedTuple):
    event: str
    is_meshed: bool
    replicas: int
    tally: Tally

    @property
    def name(self) -> str:
        return f"{self.event}, {'meshed' if self.is_meshed else 'unmeshed'}, {self.replicas}"


def lost_requests(cluster: Cluster, url: str, words: list[str], *more: Event) -> Iterator[Result]:
    """Of the walkthrough's gateway, which answers at `url`. With `words`, of the cells whose names have all of them.

    `more` are events that not every cluster can have.
    """
    cluster.apply(*(_ingress(host, service) for host, service in _BACKENDS.items()))
    nodes = len(cluster.read("nodes")["items"])
    events = [event for event in (*EVENTS, *more) if event.nodes <= nodes]
    counts = sorted({replicas for event in events for replicas in event.replicas})
    for is_meshed in (False, True):
        cells = [(replicas, event) for replicas in counts for event in events if replicas in event.replicas]
        chosen = [cell for cell in cells if is_chosen(cell, words, is_meshed=is_meshed)]
        if chosen:
            join_mesh(cluster, is_meshed=is_meshed)
        for replicas, event in chosen:
            gateway = Gateway(cluster, NAMESPACE, DEPLOYMENT, SELECTOR, replicas)
            host = MESHED if is_meshed else UNMESHED
            yield Result(event.name, is_meshed, replicas, _observed(gateway, event, url, host))


def is_chosen(cell: tuple[int, Event], words: list[str], *, is_meshed: bool) -> bool:
    """Whether the cell's name has all of the words."""
    replicas, event = cell
    has = {*event.name.split(), "meshed" if is_meshed else "unmeshed", str(replicas)}
    return all(word in has for word in words)


def _observed(gateway: Gateway, event: Event, url: str, host: str) -> Tally:
    gateway.scale(event.begins_with(gateway.replicas))
    with callers(f"{url}/", host) as load:
        event.happen(gateway)
        return load.result()


def join_mesh(cluster: Cluster, *, is_meshed: bool) -> None:
    gateway = Gateway(cluster, NAMESPACE, DEPLOYMENT, SELECTOR, 1)
    label = f"{_INJECTION}={'enabled' if is_meshed else 'disabled'}"
    cluster.kubectl("label", "namespace", NAMESPACE, label, "--overwrite")
    gateway.scale(1)
    gateway.kubectl("rollout", "restart", f"deployment/{DEPLOYMENT}")
    gateway.settle(1)


def _ingress(host: str, service: str) -> Json:
    """As the walkthrough's: a virtual service of the mesh is known by its own name."""
    annotations = {"konghq.com/strip-path": "true", "konghq.com/override": "do-not-preserve-host"}
    backend = {"service": {"name": service, "port": {"number": 9080}}}
    rule = {"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": host.replace(".", "-"), "namespace": "prod", "annotations": annotations},
        "spec": {"ingressClassName": "kong", "rules": [rule]},
    }
