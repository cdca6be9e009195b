"""Why a node does not take a pod, in the order and the words of Kubernetes' plugins."""

from collections.abc import Callable
from typing import Final, NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.scheduling.cluster import Cluster, Node, PodFacts
from crossfade_local.scheduling.selectors import label_selector, node_matches, with_label_keys
from crossfade_local.scheduling.taints import NO_EXECUTE, NO_SCHEDULE, UNSCHEDULABLE, untolerated
from crossfade_local.values.fields import number, objects, text

_FIRST: Final = ("cpu", "memory", "ephemeral-storage")
_SPREADING: Final = "node(s) didn't match pod topology spread constraints"


class Refusal(NamedTuple):
    reasons: tuple[str, ...]
    curable: bool
    """Whether fewer pods on the node could help."""


Filter = Callable[[PodFacts, Node, Cluster], Refusal | None]


def refusal(pod: PodFacts, node: Node, cluster: Cluster) -> Refusal | None:
    """None when the pod may run there. The first filter that refuses decides."""
    return next((found for each in _FILTERS if (found := each(pod, node, cluster)) is not None), None)


def _unschedulable(pod: PodFacts, node: Node, _: Cluster) -> Refusal | None:
    taint = {"key": UNSCHEDULABLE, "effect": NO_SCHEDULE}
    if node.unschedulable and untolerated(pod.spec, [taint], (NO_SCHEDULE,)):
        return Refusal(("node(s) were unschedulable",), curable=False)
    return None


def _tainted(pod: PodFacts, node: Node, _: Cluster) -> Refusal | None:
    if untolerated(pod.spec, node.taints, (NO_SCHEDULE, NO_EXECUTE)) is None:
        return None
    return Refusal(("node(s) had untolerated taint(s)",), curable=False)


def _node_affinity(pod: PodFacts, node: Node, _: Cluster) -> Refusal | None:
    if node_matches(pod.spec, node.labels, node.name):
        return None
    return Refusal(("node(s) didn't match Pod's node affinity/selector",), curable=False)


def _host_ports(pod: PodFacts, node: Node, _: Cluster) -> Refusal | None:
    if pod.ports and node.has_port_of(pod):
        return Refusal(("node(s) didn't have free ports for the requested pod ports",), curable=True)
    return None


def _resources(pod: PodFacts, node: Node, _: Cluster) -> Refusal | None:
    found = ["Too many pods"] if len(node.pods) + 1 > node.allocatable.get("pods", 0) else []
    curable = True
    for name in sorted(pod.requests, key=lambda one: (one not in _FIRST, one)):
        wanted, there = pod.requests[name], node.allocatable.get(name, 0)
        if wanted > 0 and wanted > there - node.used[name]:
            found.append(f"Insufficient {name}")
            curable = curable and wanted <= there
    return Refusal(tuple(found), curable) if found else None


def _spread(pod: PodFacts, node: Node, cluster: Cluster) -> Refusal | None:
    constraints = [
        one
        for one in objects(pod.spec, "topologySpreadConstraints")
        if (text(one, "whenUnsatisfiable") or "DoNotSchedule") == "DoNotSchedule"
    ]
    if any(text(one, "topologyKey") not in node.labels for one in constraints):
        return Refusal((f"{_SPREADING} (missing required label)",), curable=False)
    if any(_skews(one, pod, node, cluster) for one in constraints):
        return Refusal((_SPREADING,), curable=True)
    return None


def _skews(constraint: JsonObject, pod: PodFacts, node: Node, cluster: Cluster) -> bool:
    key, selector = text(constraint, "topologyKey"), label_selector(with_label_keys(constraint, pod.labels))
    domains: dict[str, int] = {}
    for each in cluster.candidates():
        if key not in each.labels or not _counts(constraint, pod, each):
            continue
        found = sum(
            one.namespace == pod.namespace and selector is not None and selector.matches(one.labels)
            for one in each.pods.values()
        )
        domains[each.labels[key]] = domains.get(each.labels[key], 0) + found
    fewest = 0 if len(domains) < (number(constraint, "minDomains") or 1) else min(domains.values(), default=0)
    own = int(selector is not None and selector.matches(pod.labels))
    return domains.get(node.labels[key], 0) + own - fewest > number(constraint, "maxSkew")


def _counts(constraint: JsonObject, pod: PodFacts, node: Node) -> bool:
    """Whether a node is one of those among which is spread."""
    if text(constraint, "nodeAffinityPolicy") != "Ignore" and not node_matches(pod.spec, node.labels, node.name):
        return False
    honours_taints = text(constraint, "nodeTaintsPolicy") == "Honor"
    return not honours_taints or untolerated(pod.spec, node.taints, (NO_SCHEDULE, NO_EXECUTE)) is None


def _pod_affinity(pod: PodFacts, node: Node, cluster: Cluster) -> Refusal | None:
    if pod.affinity and not _is_near(pod, node, cluster):
        return Refusal(("node(s) didn't match pod affinity rules",), curable=False)
    if pod.anti_affinity and _is_too_near(pod, node, cluster):
        return Refusal(("node(s) didn't match pod anti-affinity rules",), curable=True)
    if _is_unwanted(pod, node, cluster):
        return Refusal(("node(s) didn't satisfy existing pods anti-affinity rules",), curable=True)
    return None


def _is_near(pod: PodFacts, node: Node, cluster: Cluster) -> bool:
    """Pods that all terms mean are in the node's place; or there are none yet and the pod is one itself."""
    if any(term.topology_key not in node.labels for term in pod.affinity):
        return False
    alone = True
    near: set[int] = set()
    for each in cluster.candidates():
        for other in each.pods.values():
            if not all(term.matches(other.namespace, other.labels, cluster.namespaces) for term in pod.affinity):
                continue
            alone = False
            near |= {index for index, term in enumerate(pod.affinity) if _same_place(term.topology_key, each, node)}
        if len(near) == len(pod.affinity):
            return True
    return alone and all(term.matches(pod.namespace, pod.labels, cluster.namespaces) for term in pod.affinity)


def _is_too_near(pod: PodFacts, node: Node, cluster: Cluster) -> bool:
    for each in cluster.candidates():
        terms = [term for term in pod.anti_affinity if _same_place(term.topology_key, each, node)]
        if terms and any(
            term.matches(other.namespace, other.labels, cluster.namespaces)
            for other in each.pods.values()
            for term in terms
        ):
            return True
    return False


def _is_unwanted(pod: PodFacts, node: Node, cluster: Cluster) -> bool:
    """By pods that are there already."""
    return any(
        _same_place(term.topology_key, each, node) and term.matches(pod.namespace, pod.labels, cluster.namespaces)
        for each in cluster.candidates()
        for other in each.exclusive.values()
        for term in other.anti_affinity
    )


def _same_place(key: str, one: Node, other: Node) -> bool:
    return key in one.labels and one.labels[key] == other.labels.get(key)


_FILTERS: Final[tuple[Filter, ...]] = (
    _unschedulable,
    _tainted,
    _node_affinity,
    _host_ports,
    _resources,
    _spread,
    _pod_affinity,
)
