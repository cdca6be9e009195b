"""What the node's pages of metrics say of what runs on it."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from crossfade_kube.meta import NamespacedName
from crossfade_local.kubelet.exposition import GAUGE, Family, Series, exposition
from crossfade_local.kubelet.measured import (
    Flow,
    Measured,
    MeasuredContainer,
    MeasuredPod,
    Traffic,
    traffic_in,
)
from crossfade_local.kubelet.node_metrics import cadvisor_page, resource_page
from crossfade_local.kubelet.summary import summary
from crossfade_local.kubelet.usage import Reading, Usage

NOW = 1_800_000_000.0
LIMITED = {"name": "app", "image": "web:1", "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}}}
POD = MeasuredPod(
    NamespacedName("prod", "web"),
    "u-1",
    "2026-01-02T03:04:05Z",
    (
        MeasuredContainer(LIMITED, "crossfade://abc", 1, NOW - 20, Reading(1.5, 3000, 5.0), Usage(250, 3000, 4.0)),
        MeasuredContainer(
            {"name": "side", "image": "s"}, "crossfade://def", 0, NOW - 10, Reading(0.5, 1000, 9.0), None
        ),
    ),
    Traffic(Flow(100, 10, 1, 2), Flow(200, 20, 3, 4)),
)
FOUND = Measured(NOW, NOW - 1000, Reading(7.0, 5000, 0.0), Usage(400, 5000, 4.0), (POD,))


def samples(page: Any) -> dict[tuple[str, str], float]:
    """By name and container, as Prometheus reads them."""
    families = text_string_to_metric_families(exposition(page))
    found = [sample for family in families for sample in family.samples]
    assert all(sample.timestamp in (None, NOW) for sample in found)
    return {(sample.name, sample.labels.get("container", "-")): sample.value for sample in found}


def test_resources() -> None:
    assert samples(resource_page(FOUND)) == {
        ("container_cpu_usage_seconds_total", "app"): 1.5,
        ("container_cpu_usage_seconds_total", "side"): 0.5,
        ("container_memory_working_set_bytes", "app"): 3000,
        ("container_memory_working_set_bytes", "side"): 1000,
        ("container_start_time_seconds", "app"): NOW - 20,
        ("container_start_time_seconds", "side"): NOW - 10,
        ("node_cpu_usage_seconds_total", "-"): 7.0,
        ("node_memory_working_set_bytes", "-"): 5000,
        ("pod_cpu_usage_seconds_total", "-"): 2.0,
        ("pod_memory_working_set_bytes", "-"): 4000,
        ("resource_scrape_error", "-"): 0,
    }


def test_cadvisor() -> None:
    found = samples(cadvisor_page(FOUND, memory_bytes=1 << 30))
    assert found["container_memory_rss", "app"] == found["container_memory_working_set_bytes", "app"] == 3000
    assert found["container_spec_memory_limit_bytes", "app"] == 64 << 20
    assert found["container_spec_cpu_quota", "app"] / found["container_spec_cpu_period", "app"] == 0.5
    assert ("container_spec_cpu_quota", "side") not in found
    assert found["container_network_receive_bytes_total", ""] == 100
    assert found["container_network_transmit_packets_dropped_total", ""] == 4
    assert found["machine_memory_bytes", "-"] == 1 << 30


def test_cadvisors_labels_tell_a_pod_from_its_containers() -> None:
    text = exposition(cadvisor_page(FOUND, memory_bytes=1))
    labels = 'container="app",id="/kubepods/podu-1/abc",image="web:1",name="abc",namespace="prod",pod="web"'
    assert f"container_memory_rss{{{labels}}} 3000 1800000000000\n" in text
    labels = 'container="",id="/kubepods/podu-1",image="",interface="eth0",name="",namespace="prod",pod="web"'
    assert f"container_network_receive_bytes_total{{{labels}}} 100 1800000000000\n" in text


def test_what_labels_may_hold() -> None:
    text = exposition([Family("a", GAUGE, "Help.", (Series({"l": 'x"\\\n'}, 1),)), Family("none", GAUGE, "Help.", ())])
    (family,) = text_string_to_metric_families(text)
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"l": 'x"\\\n'}, 1.0)]


def test_summary() -> None:
    told = summary(FOUND, node="here", memory_bytes=9000)
    assert told["node"]["nodeName"] == "here"
    assert told["node"]["cpu"] == {
        "time": "2027-01-15T08:00:00Z", "usageCoreNanoSeconds": 7_000_000_000, "usageNanoCores": 400,
    }  # fmt: skip
    assert (told["node"]["memory"]["workingSetBytes"], told["node"]["memory"]["availableBytes"]) == (5000, 4000)
    (pod,) = told["pods"]
    assert pod["podRef"] == {"name": "web", "namespace": "prod", "uid": "u-1"}
    assert [one["name"] for one in pod["containers"]] == ["app", "side"]
    assert "usageNanoCores" not in pod["cpu"], "it is not known of all containers yet"
    assert (pod["network"]["rxBytes"], pod["network"]["txBytes"]) == (100, 200)


def test_what_the_nodes_end_of_a_cable_sends_its_pod_receives() -> None:
    text = """Inter-|   Receive      |  Transmit
 face |bytes packets errs |bytes packets errs
    lo: 5 5 0 0 0 0 0 0 5 5 0 0 0 0 0 0
veth12: 200 20 3 4 0 0 0 0 100 10 1 2 0 0 0 0
"""
    assert traffic_in(text)["veth12"] == Traffic(received=Flow(100, 10, 1, 2), sent=Flow(200, 20, 3, 4))
