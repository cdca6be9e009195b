"""What scheduling knows of nodes and of the pods on them; with sums, so that a question costs the same with 1 000."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.pod_resources import Amounts, amounts, pod_amounts, raise_to
from crossfade_local.scheduling.selectors import PodTerm, pod_terms
from crossfade_local.values.fields import flag, mapping, number, objects, text

Port = tuple[str, int, str]
"""Protocol, number, address of the host."""
_EVERY_ADDRESS: Final = "0.0.0.0"
_RESIZE_PENDING: Final = "PodResizePending"
_MILLI: Final = frozenset({"cpu"})


def whole(values: Amounts) -> dict[str, int]:
    """CPUs in thousandths, everything else in its own unit; rounded up."""
    return {name: ceil(value * 1000 if name in _MILLI else value) for name, value in values.items()}


class PodFacts(NamedTuple):
    """A pod as scheduling sees it, read once per version."""

    uid: str
    namespace: str
    name: str
    labels: dict[str, str]
    priority: int
    requests: Mapping[str, int]
    ports: frozenset[Port]
    affinity: tuple[PodTerm, ...]
    anti_affinity: tuple[PodTerm, ...]
    spec: JsonObject
    created: str

    @classmethod
    def of(cls, pod: JsonObject) -> "PodFacts":
        metadata, spec = pod["metadata"], mapping(pod, "spec")
        return cls(
            uid=str(metadata.get("uid", "")),
            namespace=metadata.get("namespace") or "",
            name=metadata["name"],
            labels=mapping(metadata, "labels"),
            priority=number(spec, "priority"),
            requests=whole(_requests(pod)),
            ports=frozenset(_ports(spec)),
            affinity=pod_terms(pod, "podAffinity"),
            anti_affinity=pod_terms(pod, "podAntiAffinity"),
            spec=spec,
            created=metadata.get("creationTimestamp") or "",
        )

    @property
    def turn(self) -> tuple[Any, ...]:
        """Sorts a queue: what matters more goes first, then what has waited longer."""
        return -self.priority, self.created, self.namespace, self.name


def _ports(spec: JsonObject) -> Iterable[Port]:
    sidecars = [one for one in objects(spec, "initContainers") if text(one, "restartPolicy") == "Always"]
    for container in (*sidecars, *objects(spec, "containers")):
        for port in objects(container, "ports"):
            if number(port, "hostPort") > 0:
                address = text(port, "hostIP") or _EVERY_ADDRESS
                yield text(port, "protocol") or "TCP", number(port, "hostPort"), address


def _requests(pod: JsonObject) -> Amounts:
    """A pod whose resize waits for room has what it had, and takes more if it asks for more; what the node can never
    give counts for nothing."""
    wanted = pod_amounts(pod, "requests")
    conditions = objects(mapping(pod, "status"), "conditions")
    reasons = [text(one, "reason") for one in conditions if text(one, "type") == _RESIZE_PENDING]
    if not reasons:
        return wanted
    held = pod_amounts(_as_allocated(pod), "requests")
    if reasons != ["Infeasible"]:
        raise_to(held, wanted)
    return held


def _as_allocated(pod: JsonObject) -> JsonObject:
    """With the requests that its containers have."""
    spec, status = {**mapping(pod, "spec")}, mapping(pod, "status")
    for kind, statuses in (("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")):
        held = {text(one, "name"): mapping(one, "allocatedResources") for one in objects(status, statuses)}
        spec[kind] = [
            {**one, "resources": {"requests": held.get(text(one, "name"), {})}} for one in objects(spec, kind)
        ]
    return {**pod, "spec": spec}


@dataclass
class Node:
    """`used` are the sums over `pods`, by uid."""

    name: str
    labels: dict[str, str] = field(default_factory=dict)
    taints: list[JsonObject] = field(default_factory=list)
    unschedulable: bool = False
    allocatable: Mapping[str, int] = field(default_factory=dict)
    pods: dict[str, PodFacts] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)
    ports: Counter[Port] = field(default_factory=Counter)
    exclusive: dict[str, PodFacts] = field(default_factory=dict)
    """The pods with anti-affinity."""

    def describe(self, obj: JsonObject) -> None:
        """Takes the newest state of the node's object."""
        self.labels = mapping(obj, "metadata", "labels")
        self.taints = objects(obj, "spec", "taints")
        self.unschedulable = flag(obj, "spec", "unschedulable")
        self.allocatable = whole(amounts(mapping(obj, "status", "allocatable") or mapping(obj, "status", "capacity")))

    def add(self, pod: PodFacts) -> None:
        self.remove(pod.uid)
        self.pods[pod.uid] = pod
        self.used.update(pod.requests)
        self.ports.update(pod.ports)
        if pod.anti_affinity:
            self.exclusive[pod.uid] = pod

    def remove(self, uid: str) -> None:
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self.used.subtract(pod.requests)
            self.ports.subtract(pod.ports)
            self.exclusive.pop(uid, None)

    def has_port_of(self, pod: PodFacts) -> bool:
        """Whether a port of the host that the pod wants is taken."""
        return any(_clash(wanted, taken) for wanted in pod.ports for taken, count in self.ports.items() if count > 0)

    def without(self, uids: Iterable[str]) -> "Node":
        """A copy that can be tried things on."""
        gone = set(uids)
        copy = Node(self.name, self.labels, self.taints, self.unschedulable, self.allocatable)
        for uid, pod in self.pods.items():
            if uid not in gone:
                copy.add(pod)
        return copy


def _clash(one: Port, other: Port) -> bool:
    return one[:2] == other[:2] and (_EVERY_ADDRESS in (one[2], other[2]) or one[2] == other[2])


class Cluster:
    """All nodes, where each pod is, and the labels of namespaces."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.namespaces: dict[str, dict[str, str]] = {}
        self._known: set[str] = set()
        self._places: dict[str, str] = {}

    def set_node(self, obj: JsonObject) -> None:
        name = obj["metadata"]["name"]
        self._known.add(name)
        self.nodes.setdefault(name, Node(name)).describe(obj)

    def drop_node(self, name: str) -> None:
        """Its pods are remembered: they are still bound to it when it comes back."""
        self._known.discard(name)

    def candidates(self) -> list[Node]:
        return [self.nodes[name] for name in sorted(self._known)]

    def place(self, pod: PodFacts, node: str) -> None:
        """The pod is on the node from now on, whether that exists or not."""
        self.forget(pod.uid)
        self.nodes.setdefault(node, Node(node)).add(pod)
        self._places[pod.uid] = node

    def forget(self, uid: str) -> None:
        place = self._places.pop(uid, None)
        if place is not None:
            self.nodes[place].remove(uid)
