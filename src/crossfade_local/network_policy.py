"""NetworkPolicies become who may reach whom, by address (networking.k8s.io/v1). Pure.

A pod that no policy selects for a direction is free in it. Everything that a rule allows is resolved to addresses here;
`policy_nft` writes it down. What a policy cannot mean on a cluster of IPv4 (a block of IPv6) matches nobody.
"""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from crossfade_kube.meta import JsonObject, LabelSelector, NamespacedName
from crossfade_local.network import DNS_ADDRESS
from crossfade_local.pod_table import PodEntry, PodPort

INGRESS: Final = "Ingress"
EGRESS: Final = "Egress"
_DIRECTIONS: Final = {INGRESS: ("ingress", "from"), EGRESS: ("egress", "to")}
_LAST_PORT: Final = 65_535
# Policies allow DNS by the labels of CoreDNS's pods; here the node itself answers.
_DNS: Final = PodEntry(
    NamespacedName("kube-system", "kube-dns"),
    uid="",
    address=DNS_ADDRESS,
    labels={"k8s-app": "kube-dns"},
    ports=(PodPort("dns", "UDP", 53), PodPort("dns-tcp", "TCP", 53)),
)

Labels = Mapping[str, str]


class Ports(NamedTuple):
    """Ports first to last of a protocol."""

    protocol: str
    first: int
    last: int


class Named(NamedTuple):
    """What a port's name stands for at one pod."""

    address: str
    protocol: str
    port: int


class Allow(NamedTuple):
    """Connections with any of `peers` (CIDRs; None: with anybody) to any of `ports` or `named` (both None: to all)."""

    peers: frozenset[str] | None
    ports: frozenset[Ports] | None = None
    named: frozenset[Named] | None = None


class Direction(NamedTuple):
    """`selecting`: address of a pod to the policies that select it; `allows`: what each of these allows."""

    selecting: dict[str, tuple[NamespacedName, ...]]
    allows: dict[NamespacedName, tuple[Allow, ...]]


class PolicyTable(NamedTuple):
    ingress: Direction
    egress: Direction


class _Cluster:
    """Pods by namespace, and the namespaces' labels."""

    def __init__(self, pods: Iterable[PodEntry], namespaces: Mapping[str, Labels]) -> None:
        self._pods: dict[str, list[PodEntry]] = defaultdict(list)
        for pod in (*pods, _DNS):
            self._pods[pod.key.namespace].append(pod)
        self._namespaces = namespaces
        self._found: dict[tuple[str, bytes], tuple[PodEntry, ...]] = {}

    def peers(self, namespace: str, peer: JsonObject) -> tuple[PodEntry, ...]:
        """The pods of one `from` or `to`; many policies name the same."""
        key = (namespace, msgspec.json.encode(peer, order="deterministic"))
        if key not in self._found:
            self._found[key] = tuple(self._select(namespace, peer))
        return self._found[key]

    def _select(self, namespace: str, peer: JsonObject) -> Iterator[PodEntry]:
        chosen = _selector(peer.get("podSelector"))
        if peer.get("namespaceSelector") is None:
            names = [namespace]
        else:
            of_namespaces = _selector(peer["namespaceSelector"])
            names = [name for name, labels in self._namespaces.items() if of_namespaces.matches(dict(labels))]
        for name in names:
            yield from (pod for pod in self._pods.get(name, ()) if chosen.matches(dict(pod.labels)))

    def everybody(self) -> Iterator[PodEntry]:
        for pods in self._pods.values():
            yield from pods

    def own(self, policy: JsonObject) -> tuple[PodEntry, ...]:
        """The pods that a policy selects."""
        selector = {"podSelector": policy["spec"].get("podSelector") or {}}
        return tuple(pod for pod in self.peers(policy["metadata"]["namespace"], selector) if pod is not _DNS)


def compile_policies(
    policies: Iterable[JsonObject], pods: Iterable[PodEntry], namespaces: Mapping[str, Labels]
) -> PolicyTable:
    cluster = _Cluster(sorted(pods, key=lambda pod: pod.key), namespaces)
    ordered = sorted(policies, key=lambda policy: (policy["metadata"]["namespace"], policy["metadata"]["name"]))
    return PolicyTable(_direction(ordered, cluster, INGRESS), _direction(ordered, cluster, EGRESS))


def _direction(policies: list[JsonObject], cluster: _Cluster, direction: str) -> Direction:
    selecting: dict[str, list[NamespacedName]] = defaultdict(list)
    allows = {}
    rules_key, peers_key = _DIRECTIONS[direction]
    for policy in policies:
        if direction not in _types(policy["spec"]):
            continue
        key = NamespacedName(policy["metadata"]["namespace"], policy["metadata"]["name"])
        own = cluster.own(policy)
        for pod in own:
            selecting[pod.address].append(key)
        if own:
            rules = policy["spec"].get(rules_key) or ()
            allows[key] = tuple(_allow(rule, peers_key, key.namespace, own, cluster) for rule in rules)
    return Direction({address: tuple(keys) for address, keys in selecting.items()}, allows)


def _types(spec: JsonObject) -> list[str]:
    """As Kubernetes fills it in."""
    given: list[str] = spec.get("policyTypes") or []
    return given or ([INGRESS, EGRESS] if spec.get("egress") else [INGRESS])


def _allow(rule: JsonObject, peers_key: str, namespace: str, own: tuple[PodEntry, ...], cluster: _Cluster) -> Allow:
    wanted = rule.get(peers_key) or ()
    others = [pod for peer in wanted if peer.get("ipBlock") is None for pod in cluster.peers(namespace, peer)]
    blocks = [block for peer in wanted if peer.get("ipBlock") is not None for block in _block(peer["ipBlock"])]
    peers = frozenset([*(pod.address for pod in others), *blocks]) if wanted else None
    asked = rule.get("ports") or ()
    if not asked:
        return Allow(peers)
    # A port's name is looked up at the pod that is connected to.
    servers: Iterable[PodEntry] = own if peers_key == "from" else (others if wanted else cluster.everybody())
    by_name = [port for port in asked if isinstance(port.get("port"), str)]
    return Allow(
        peers,
        frozenset(_ports(port) for port in asked if not isinstance(port.get("port"), str)),
        frozenset(_named(by_name, servers)) if by_name else frozenset(),
    )


def _ports(port: JsonObject) -> Ports:
    number, protocol = port.get("port"), port.get("protocol") or "TCP"
    if number is None:
        return Ports(protocol, 0, _LAST_PORT)
    return Ports(protocol, number, max(number, port.get("endPort") or number))


def _named(asked: list[JsonObject], servers: Iterable[PodEntry]) -> Iterator[Named]:
    wanted = {(port["port"], port.get("protocol") or "TCP") for port in asked}
    for pod in servers:
        for port in pod.ports:
            if (port.name, port.protocol) in wanted:
                yield Named(pod.address, port.protocol, port.port)


def _block(block: Mapping[str, Any]) -> Iterator[str]:
    """The block without its exceptions, as CIDRs."""
    whole = _network(block.get("cidr"))
    if whole is None:
        return
    remaining = [whole]
    for text in block.get("except") or ():
        if hole := _network(text):
            remaining = [piece for network in remaining for piece in _without(network, hole)]
    yield from map(str, ipaddress.collapse_addresses(remaining))


def _without(network: ipaddress.IPv4Network, hole: ipaddress.IPv4Network) -> Iterator[ipaddress.IPv4Network]:
    if network.subnet_of(hole):
        return
    if hole.subnet_of(network):
        yield from network.address_exclude(hole)
    else:
        yield network


def _network(text: object) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(str(text), strict=False)
    except ValueError:
        return None


def _selector(raw: Any) -> LabelSelector:
    return msgspec.convert({key: value for key, value in (raw or {}).items() if value}, LabelSelector)
