"""NetworkPolicies: whom a rule means, and what nftables makes of it."""

import asyncio
import subprocess
from typing import Any

import pytest

from crossfade_kube.meta import NamespacedName
from crossfade_kube.watch import WatchEvent
from crossfade_local import policy_keeper
from crossfade_local.network import DNS_ADDRESS
from crossfade_local.network_policy import Allow, Direction, Named, PolicyTable, Ports, compile_policies
from crossfade_local.pod_table import PodEntry, PodPort, PodTable
from crossfade_local.policy_keeper import PolicyKeeper
from crossfade_local.policy_nft import render_policies
from crossfade_local.preflight import search_path

NAMESPACES = {
    "prod": {"kubernetes.io/metadata.name": "prod", "team": "music"},
    "test": {"kubernetes.io/metadata.name": "test"},
    "kube-system": {"kubernetes.io/metadata.name": "kube-system"},
}


def pod(name: str, address: str, *, namespace: str = "prod", port: int = 9080, **labels: str) -> PodEntry:
    ports = (PodPort("http", "TCP", port), PodPort("stats", "UDP", 8125))
    return PodEntry(NamespacedName(namespace, name), name, address, {"app": name, **labels}, ports)


PODS = [
    pod("jazz", "10.244.0.16", genre="old"),
    pod("metal", "10.244.0.17", port=9081),
    pod("visitor", "10.244.0.20", namespace="test", genre="old"),
]
JAZZ = "10.244.0.16"
NAME = NamespacedName("prod", "policy")


def policy(name: str = "policy", *, selects: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    chosen = {"matchLabels": {"app": "jazz"}} if selects is None else selects
    return {"metadata": {"name": name, "namespace": "prod"}, "spec": {"podSelector": chosen, **spec}}


def compiled(*policies: dict[str, Any]) -> PolicyTable:
    return compile_policies(policies, PODS, NAMESPACES)


def peers_of(*peers: dict[str, Any]) -> list[str]:
    (allow,) = compiled(policy(ingress=[{"from": list(peers)}])).ingress.allows[NAME]
    assert allow.peers is not None
    return sorted(allow.peers)


@pytest.mark.parametrize(
    ("spec", "ingress", "egress"),
    [
        pytest.param({}, [JAZZ], [], id="ingress alone is the default"),
        pytest.param({"egress": [{}]}, [JAZZ], [JAZZ], id="egress too where it has rules"),
        pytest.param({"policyTypes": ["Egress"]}, [], [JAZZ], id="egress alone"),
        pytest.param({"policyTypes": ["Ingress"], "egress": [{}]}, [JAZZ], [], id="rules of the other are ignored"),
    ],
)
def test_which_pods_are_isolated(spec: dict[str, Any], ingress: list[str], egress: list[str]) -> None:
    table = compiled(policy(**spec))
    assert (list(table.ingress.selecting), list(table.egress.selecting)) == (ingress, egress)


@pytest.mark.parametrize(
    ("rules", "allows"),
    [
        pytest.param([], (), id="nobody"),
        pytest.param([{}], (Allow(None),), id="everybody"),
        pytest.param([{"from": [], "ports": []}], (Allow(None),), id="empty lists do not restrict"),
        pytest.param(
            [{"ports": [{"port": 80}, {"port": 8000, "endPort": 8010, "protocol": "UDP"}, {"protocol": "SCTP"}]}],
            (
                Allow(
                    None,
                    frozenset({Ports("TCP", 80, 80), Ports("UDP", 8000, 8010), Ports("SCTP", 0, 65535)}),
                    frozenset(),
                ),
            ),
            id="ports",
        ),
        pytest.param(
            [{"ports": [{"port": "http"}, {"port": "stats"}]}],
            (Allow(None, frozenset(), frozenset({Named(JAZZ, "TCP", 9080)})),),
            id="a name is that of the selected pod, and of the protocol",
        ),
    ],
)
def test_what_rules_allow(rules: list[dict[str, Any]], allows: tuple[Allow, ...]) -> None:
    assert compiled(policy(ingress=rules)).ingress.allows == {NAME: allows}


@pytest.mark.parametrize(
    ("peers", "addresses"),
    [
        ([{"podSelector": {}}], ["10.244.0.16", "10.244.0.17"]),
        ([{"podSelector": {"matchLabels": {"genre": "old"}}}], ["10.244.0.16"]),
        ([{"namespaceSelector": {}}], ["10.244.0.16", "10.244.0.17", "10.244.0.20", DNS_ADDRESS]),
        ([{"namespaceSelector": {"matchLabels": {"team": "music"}}}], ["10.244.0.16", "10.244.0.17"]),
        (
            [{"namespaceSelector": {}, "podSelector": {"matchExpressions": [{"key": "genre", "operator": "Exists"}]}}],
            ["10.244.0.16", "10.244.0.20"],
        ),
        (
            [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                }
            ],
            [DNS_ADDRESS],
        ),
        ([{"namespaceSelector": {"matchLabels": {"team": "none"}}}], []),
        ([{"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.128/25", "192.0.2.0/26"]}}], ["192.0.2.64/26"]),
        ([{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["0.0.0.0/1", "128.0.0.0/1"]}}], []),
        ([{"ipBlock": {"cidr": "192.0.2.7/24", "except": ["10.0.0.0/8"]}}], ["192.0.2.0/24"]),
        ([{"ipBlock": {"cidr": "2001:db8::/64"}}], []),
    ],
)
def test_whom_peers_mean(peers: list[dict[str, Any]], addresses: list[str]) -> None:
    assert peers_of(*peers) == addresses


def test_an_exception_is_one_of_its_own_block_only() -> None:
    first = {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.0/25"]}}
    assert peers_of(first, {"ipBlock": {"cidr": "192.0.2.0/26"}}) == ["192.0.2.0/26", "192.0.2.128/25"]


def test_names_of_ports_at_the_pods_that_are_called() -> None:
    rule = {"to": [{"podSelector": {}}], "ports": [{"port": "http"}]}
    (allow,) = compiled(policy(policyTypes=["Egress"], egress=[rule])).egress.allows[NAME]
    assert allow.named == {Named("10.244.0.16", "TCP", 9080), Named("10.244.0.17", "TCP", 9081)}


def test_policies_add_up_and_a_policy_without_pods_costs_nothing() -> None:
    everything = policy("z", selects={}, ingress=[{}])
    table = compiled(policy(), everything, policy("nobody", selects={"matchLabels": {"app": "none"}}, ingress=[{}]))
    other = NamespacedName("prod", "z")
    assert table.ingress.selecting == {JAZZ: (NAME, other), "10.244.0.17": (other,)}
    assert set(table.ingress.allows) == {NAME, other}


def test_the_rules_as_text() -> None:
    rules = [{"from": [{"podSelector": {}}], "ports": [{"port": 9080}, {"port": "http"}]}, {"from": [{"ipBlock": {}}]}]
    rendered = render_policies(compiled(policy(ingress=rules, policyTypes=["Ingress", "Egress"])))
    assert (
        rendered
        == """\
table ip crossfade_policies
delete table ip crossfade_policies
table ip crossfade_policies {
  set itself {
    type ipv4_addr . ipv4_addr
    elements = { 10.244.0.16 . 10.244.0.16 }
  }
  set set_0 {
    type ipv4_addr; flags interval; auto-merge
    elements = { 10.244.0.16, 10.244.0.17 }
  }
  set set_1 {
    type inet_proto . inet_service; flags interval
    elements = { tcp . 9080 }
  }
  set set_2 {
    type ipv4_addr . inet_proto . inet_service
    elements = { 10.244.0.16 . tcp . 9080 }
  }
  chain in_0 {
    ip saddr @set_0 meta l4proto . th dport @set_1 accept
    ip saddr @set_0 ip daddr . meta l4proto . th dport @set_2 accept
  }
  chain in_pods_0 {
    jump in_0
    drop
  }
  chain out_0 {
  }
  chain out_pods_0 {
    jump out_0
    drop
  }
  map in_pods {
    type ipv4_addr : verdict
    elements = { 10.244.0.16 : goto in_pods_0 }
  }
  chain in {
    type filter hook forward priority -10; policy accept;
    ct state established,related accept
    ip saddr . ip daddr @itself accept
    ip daddr vmap @in_pods
  }
  map out_pods {
    type ipv4_addr : verdict
    elements = { 10.244.0.16 : goto out_pods_0 }
  }
  chain out {
    type filter hook prerouting priority -50; policy accept;
    ct state established,related accept
    ip saddr . ip daddr @itself accept
    ip saddr vmap @out_pods
  }
}
"""
    )


def test_without_isolated_pods_the_table_goes() -> None:
    assert render_policies(PolicyTable(Direction({}, {}), Direction({}, {}))).splitlines() == [
        "table ip crossfade_policies",
        "delete table ip crossfade_policies",
    ]


EVERYTHING = [
    {},
    {"from": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}], "ports": [{"port": 1, "endPort": 65535}]},
    {
        "from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"podSelector": {}}],
        "ports": [{"protocol": "SCTP"}, {"port": "http"}],
    },
    {"from": [{"ipBlock": {"cidr": "::/0"}}], "ports": [{"port": "unknown"}]},
]


def test_nft_accepts_the_rules() -> None:
    outward = [{"to" if key == "from" else key: value for key, value in rule.items()} for rule in EVERYTHING]
    rules = render_policies(compiled(policy(ingress=EVERYTHING, egress=outward), policy("all", selects={}, ingress=[])))
    command = ["unshare", "--user", "--map-root-user", "--net", "nft", "--check", "-f", "-"]
    done = subprocess.run(
        command, env={"PATH": search_path()}, input=rules, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_rules_grow_with_policies_and_pods_not_with_their_product() -> None:
    pods = [pod(f"p{number}", f"10.244.{number >> 8}.{number & 255}") for number in range(16, 216)]
    policies = [policy(f"n{number}", selects={}, ingress=[{"from": [{"podSelector": {}}]}]) for number in range(100)]
    rules = render_policies(compile_policies(policies, pods, NAMESPACES))
    assert rules.count("10.244.0.99") == 4


def test_a_pod_is_known_before_the_api_knows_its_address() -> None:
    changes = []
    pods = PodTable(lambda: changes.append(1))
    pods.put(PODS[0])
    news = {"metadata": {"namespace": "prod", "name": "jazz", "uid": "jazz"}, "spec": {}, "status": {}}
    pods.apply(WatchEvent("MODIFIED", news))
    assert (list(pods), len(changes)) == ([PODS[0]], 1)
    pods.apply(WatchEvent("MODIFIED", {**news, "status": {"phase": "Failed"}}))
    assert (list(pods), len(changes)) == ([], 2)


def complete_keeper() -> PolicyKeeper:
    keeper = PolicyKeeper()
    keeper.namespaces.replace([{"metadata": {"name": "prod"}}])
    keeper.policies.replace([])
    return keeper


async def test_a_pod_waits_until_policies_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_keeper, "_ISOLATION_S", 0.05)
    with pytest.raises(OSError, match="network policies"):
        await PolicyKeeper().isolate({"metadata": {"namespace": "prod", "name": "jazz", "uid": "1"}, "spec": {}}, JAZZ)


async def test_a_pod_waits_for_its_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load(rules: str) -> str:
        loaded.append(rules)
        return "" if len(loaded) > 1 else "not yet"

    monkeypatch.setattr(policy_keeper, "load", load)
    monkeypatch.setattr(policy_keeper, "_RETRY_S", 0.01)
    keeper = complete_keeper()
    stored = {"metadata": {"namespace": "prod", "name": "jazz", "uid": "1", "labels": {"app": "jazz"}}, "spec": {}}
    await keeper.isolate(stored, JAZZ)
    keeper.policies.replace([policy()])
    running = asyncio.create_task(keeper.run())
    await keeper.isolate(stored, JAZZ)
    assert f"{JAZZ} : goto in_pods_0" in loaded[-1]
    assert len(loaded) == 2
    running.cancel()


async def test_a_pod_does_not_start_without_its_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_keeper, "load", lambda _rules: "refused")
    monkeypatch.setattr(policy_keeper, "_ISOLATION_S", 0.05)
    keeper = complete_keeper()
    keeper.policies.replace([policy()])
    running = asyncio.create_task(keeper.run())
    with pytest.raises(OSError, match="network policies"):
        await keeper.isolate({"metadata": {"namespace": "prod", "name": "jazz", "uid": "1"}, "spec": {}}, JAZZ)
    running.cancel()
