"""Where a pod goes, whom it may push aside, and what is said when it goes nowhere."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from crossfade_local.scheduling.claims import Claims
from crossfade_local.scheduling.cluster import Cluster, Node, PodFacts
from crossfade_local.scheduling.filters import Refusal, refusal

NO_NODES: Final = "no nodes available to schedule pods"
_NO_CLAIMS: Final = "no new claims to deallocate"
_NOT_HELPFUL: Final = "Preemption is not helpful for scheduling"
_NO_VICTIMS: Final = "No preemption victims found for incoming pod"


class Bind(NamedTuple):
    node: str


class Unschedulable(NamedTuple):
    """`victims` go so that the pod can come to `node`."""

    message: str
    node: str = ""
    victims: tuple[PodFacts, ...] = ()


class Nominated(NamedTuple):
    """A pod for which others were pushed aside; what they free is kept for it."""

    pod: PodFacts
    node: str


Decision = Bind | Unschedulable


def decide(
    pod: PodFacts,
    cluster: Cluster,
    *,
    claims: Claims | None = None,
    nominated: Iterable[Nominated] = (),
    leaving: frozenset[str] = frozenset(),
) -> Decision:
    """`leaving` are the uids of pods that are being deleted: a pod waits for those before it pushes others aside."""
    nodes = cluster.candidates()
    if not nodes:
        return Unschedulable(NO_NODES)
    if claims is not None and (said := claims.refusal(pod)):
        # The last words are what Kubernetes says of preemption that is not even considered.
        return Unschedulable(f"0/{len(nodes)} nodes are available: {said}. not found")
    refused: dict[str, Refusal] = {}
    fitting = []
    for node in nodes:
        with _kept_for_others(pod, node, nominated):
            found = refusal(pod, node, cluster)
        if found is None:
            fitting.append(node)
        else:
            refused[node.name] = found
    if fitting:
        return Bind(min(fitting, key=lambda node: (len(node.pods), node.name)).name)
    return _preempt(pod, cluster, refused, nominated, leaving)


@contextmanager
def _kept_for_others(pod: PodFacts, node: Node, nominated: Iterable[Nominated]) -> Iterator[None]:
    added = [
        one.pod
        for one in nominated
        if one.node == node.name and one.pod.uid != pod.uid and one.pod.priority >= pod.priority
    ]
    for one in added:
        node.add(one)
    try:
        yield
    finally:
        for one in added:
            node.remove(one.uid)


def _preempt(
    pod: PodFacts,
    cluster: Cluster,
    refused: Mapping[str, Refusal],
    nominated: Iterable[Nominated],
    leaving: frozenset[str],
) -> Unschedulable:
    if pod.spec.get("preemptionPolicy") == "Never":
        return Unschedulable(_message(refused, "not eligible due to preemptionPolicy=Never."))
    if any(one.pod.uid == pod.uid and _waits_on(pod, cluster.nodes[one.node], leaving) for one in nominated):
        return Unschedulable(_message(refused, "not eligible due to a terminating pod on the nominated node."))
    why: dict[str, Refusal] = {}
    for name, found in refused.items():
        if not found.curable:
            why[name] = Refusal((_NOT_HELPFUL,), curable=False)
            continue
        victims = _victims(pod, cluster, cluster.nodes[name])
        if isinstance(victims, Refusal):
            why[name] = victims
        else:
            return Unschedulable(_message(refused), name, victims)
    return Unschedulable(_message(refused, _available(why)))


def _waits_on(pod: PodFacts, node: Node, leaving: frozenset[str]) -> bool:
    return any(uid in leaving and one.priority < pod.priority for uid, one in node.pods.items())


def _victims(pod: PodFacts, cluster: Cluster, node: Node) -> tuple[PodFacts, ...] | Refusal:
    """The fewest that matter least; the others are put back, those that matter most and are oldest first."""
    lower = sorted((one for one in node.pods.values() if one.priority < pod.priority), key=lambda one: one.turn)
    if not lower:
        return Refusal((_NO_VICTIMS,), curable=True)
    trial = node.without(one.uid for one in lower)
    cluster.nodes[node.name] = trial
    try:
        if found := refusal(pod, trial, cluster):
            return found
        victims = []
        for one in lower:
            trial.add(one)
            if refusal(pod, trial, cluster):
                trial.remove(one.uid)
                victims.append(one)
    finally:
        cluster.nodes[node.name] = node
    return tuple(victims)


def _available(refused: Mapping[str, Refusal]) -> str:
    counts = Counter(reason for each in refused.values() for reason in each.reasons)
    told = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"0/{len(refused)} nodes are available: {told}."


def _message(refused: Mapping[str, Refusal], preemption: str = "") -> str:
    return _available(refused) + (f" {_NO_CLAIMS}, preemption: {preemption}" if preemption else "")
