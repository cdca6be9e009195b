"""Joining Services with endpoints, and what nftables and DNS make of them."""

import subprocess

import pytest

from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_local.dns import answer_question
from crossfade_local.nft import render_table
from crossfade_local.preflight import search_path
from crossfade_local.service_table import Endpoint, ServiceTable, build_table


def service(name: str, **spec: object) -> JsonObject:
    return {"metadata": {"name": name, "namespace": "prod"}, "spec": {"type": "ClusterIP", **spec}}


def endpoint_slice(owner: str, *addresses: str, port: int = 9080, name: str = "http", ready: bool = True) -> JsonObject:
    return {
        "metadata": {
            "name": f"{owner}-{port}-{ready}",
            "namespace": "prod",
            "labels": {"kubernetes.io/service-name": owner},
        },
        "addressType": "IPv4",
        "ports": [{"name": name, "protocol": "TCP", "port": port}],
        "endpoints": [{"addresses": [one], "conditions": {"ready": ready}} for one in addresses],
    }


def named(name: str, names: str, **spec: object) -> JsonObject:
    made = service(name, **spec)
    made["metadata"]["annotations"] = {"external-dns.alpha.kubernetes.io/hostname": names}
    return made


HTTP = {"name": "http", "port": 80, "protocol": "TCP"}


@pytest.fixture
def table() -> ServiceTable:
    return build_table(
        [
            service("jazz", clusterIP="10.96.0.20", ports=[HTTP]),
            service("sticky", clusterIP="10.96.0.21", ports=[HTTP], sessionAffinity="ClientIP"),
            service("empty", clusterIP="10.96.0.22", ports=[HTTP]),
            named("color", "Color.corp.local., other.example", clusterIP="None"),
            named("plain", "plain.example", clusterIP="10.96.0.23"),
            service("public", type="NodePort", clusterIP="10.96.0.23", ports=[{**HTTP, "nodePort": 30080}]),
            service("headless", clusterIP="None", ports=[HTTP]),
            service("outside", type="ExternalName", externalName="example.org"),
            service("eager", clusterIP="10.96.0.24", ports=[HTTP], publishNotReadyAddresses=True),
        ],
        [
            endpoint_slice("jazz", "10.244.0.16", "10.244.0.17"),
            endpoint_slice("jazz", "10.244.0.99", ready=False),
            endpoint_slice("sticky", "10.244.0.16", "10.244.0.17"),
            endpoint_slice("public", "10.244.0.18"),
            endpoint_slice("headless", "10.244.0.19", "10.244.0.20"),
            endpoint_slice("color", "10.244.0.30"),
            endpoint_slice("eager", "10.244.0.98", ready=False),
        ],
    )


def endpoints_of(table: ServiceTable, name: str) -> tuple[Endpoint, ...]:
    return table[NamespacedName("prod", name)].ports[0].endpoints


def test_only_ready_endpoints_count(table: ServiceTable) -> None:
    assert endpoints_of(table, "jazz") == (Endpoint("10.244.0.16", 9080), Endpoint("10.244.0.17", 9080))
    assert table[NamespacedName("prod", "jazz")].ports[0].unready == (Endpoint("10.244.0.99", 9080),)
    assert endpoints_of(table, "empty") == ()


@pytest.mark.parametrize(("other_is_ready", "expected"), [(True, "10.244.0.2"), (False, "10.244.0.1")])
def test_endpoints_that_end_count_where_none_is_ready(other_is_ready: bool, expected: str) -> None:
    ending = endpoint_slice("jazz", "10.244.0.1", ready=False)
    ending["endpoints"][0]["conditions"] |= {"serving": True, "terminating": True}
    gone = endpoint_slice("jazz", "10.244.0.3", port=9081, ready=False)
    gone["endpoints"][0]["conditions"] |= {"serving": False, "terminating": True}
    other = endpoint_slice("jazz", "10.244.0.2", ready=other_is_ready)
    table = build_table([service("jazz", clusterIP="10.96.0.20", ports=[HTTP])], [ending, gone, other])
    assert endpoints_of(table, "jazz") == (Endpoint(expected, 9080),)


def test_publish_not_ready_addresses(table: ServiceTable) -> None:
    assert endpoints_of(table, "eager") == (Endpoint("10.244.0.98", 9080),)


def test_rules_choose_among_endpoints(table: ServiceTable) -> None:
    rules = render_table(table)
    assert "10.96.0.20 . tcp . 80 : goto svc_10_96_0_20_tcp_80" in rules
    assert "numgen random mod 2 map { 0 : 10.244.0.16 . 9080, 1 : 10.244.0.17 . 9080 }" in rules
    assert "jhash ip saddr mod 2" in rules
    assert "tcp . 30080 : goto svc_10_96_0_23_tcp_80" in rules
    assert "10.96.0.22" not in rules


@pytest.mark.parametrize("services", ["none", "all"])
def test_nft_accepts_the_rules(table: ServiceTable, services: str) -> None:
    rules = render_table(table if services == "all" else {})
    command = ["unshare", "--user", "--map-root-user", "--net", "nft", "--check", "-f", "-"]
    env = {"PATH": search_path()}
    done = subprocess.run(command, env=env, input=rules, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


JAZZ = "jazz.prod.svc.cluster.local"


@pytest.mark.parametrize(
    ("name", "kind", "exists", "records"),
    [
        (JAZZ, "A", True, ["10.96.0.20"]),
        (JAZZ, "AAAA", True, []),
        ("empty.prod.svc.cluster.local", "A", True, ["10.96.0.22"]),
        ("color.corp.local", "A", True, ["10.244.0.30"]),
        ("color.corp.local", "AAAA", True, []),
        ("other.example", "A", True, ["10.244.0.30"]),
        ("plain.example", "A", True, ["10.96.0.23"]),
        ("nobody.prod.svc.cluster.local", "A", False, []),
        ("headless.prod.svc.cluster.local", "A", True, ["10.244.0.19", "10.244.0.20"]),
        ("10-244-0-19.headless.prod.svc.cluster.local", "A", True, ["10.244.0.19"]),
        ("outside.prod.svc.cluster.local", "A", True, ["example.org."]),
        (f"_http._tcp.{JAZZ}", "SRV", True, [f"0 100 80 {JAZZ}."]),
        ("10-244-0-5.prod.pod.cluster.local", "A", True, ["10.244.0.5"]),
        ("nonsense.prod.pod.cluster.local", "A", False, []),
        ("prod.svc.cluster.local", "A", True, []),
        ("nowhere.svc.cluster.local", "A", False, []),
        ("20.0.96.10.in-addr.arpa", "PTR", True, [f"{JAZZ}."]),
        ("99.0.96.10.in-addr.arpa", "PTR", False, []),
    ],
)
def test_cluster_names(table: ServiceTable, name: str, kind: str, exists: bool, records: list[str]) -> None:
    answer = answer_question(name, kind, table)
    assert answer is not None
    assert (answer.exists, [str(record.rdata) for record in answer.records]) == (exists, records)


@pytest.mark.parametrize("name", ["example.org", "jazz", "1.1.168.192.in-addr.arpa"])
def test_other_names_are_asked_elsewhere(table: ServiceTable, name: str) -> None:
    assert answer_question(name, "A", table) is None
