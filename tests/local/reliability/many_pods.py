"""So many pods on one node at once: how long they take, what they cost, whether each can be reached, what stays."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from tests.local.reliability.load import Api, answers
from tests.local.reliability.polling import until
from tests.local.reliability.remains import Remains, children_of, descriptors_of, living, node_of, remains, rules
from tests.local.reliability.samples import memory_of
from tests.local.reliability.victims import Victims
from tests.support.cluster import EmbeddedCluster

NAME: Final = "many"
PATIENCE_S: Final = 600.0
_MIB: Final = 1024 * 1024


def run_many(cluster: EmbeddedCluster, api: Api, victims: Victims, *, pods: int, port: int) -> Iterator[str]:
    """What is found, line by line; raises TimeoutError where something does not come."""
    until(lambda: "table ip crossfade_egress" in rules(node_of(cluster.data_dir)), PATIENCE_S)
    before = remains(cluster.data_dir)
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(_objects(pods, port)))
    began = time.monotonic()
    until(lambda: _available(api) == pods, PATIENCE_S)
    yield f"{pods} pods ready after {time.monotonic() - began:.1f} s"
    yield from _reach(cluster, api, pods, port)
    yield from _costs(cluster, victims)
    began = time.monotonic()
    cluster.kubectl("delete", "deployment", NAME, "--wait=false")
    until(lambda: not _pods(api), PATIENCE_S)
    cluster.kubectl("delete", "service", NAME)
    until(lambda: _is_as_before(cluster, before), PATIENCE_S)
    yield f"nothing of them left after {time.monotonic() - began:.1f} s"


def _reach(cluster: EmbeddedCluster, api: Api, pods: int, port: int) -> Iterator[str]:
    """Each pod by its own address, from another; and the Service from outside."""
    addresses = sorted(pod["status"]["podIP"] for pod in _pods(api))
    urls = " ".join(f"http://{address}:9080/ping" for address in addresses)
    script = f"for url in {urls}; do curl -sf --max-time 10 -o /dev/null $url && echo; done | wc -l"
    reached = int(cluster.kubectl("exec", "-i", f"deploy/{NAME}", "--", "sh", stdin=script))
    yield f"{reached} of {pods} answer another pod"
    until(lambda: answers(f"http://127.0.0.1:{port}/ping"), PATIENCE_S)
    if reached != pods:
        raise TimeoutError(f"{pods - reached} pods do not answer")


def _costs(cluster: EmbeddedCluster, victims: Victims) -> Iterator[str]:
    found = living([victims.up(), *children_of(victims.up())])
    total = sum(memory_of(one.pid) for one in found)
    node = victims.find("node")
    descriptors = descriptors_of(node)
    threads = sum(1 for _ in Path(f"/proc/{node}/task").iterdir())
    lines = remains(cluster.data_dir).rules
    yield f"{len(found)} processes, {total / _MIB:.0f} MiB of their own, {lines} lines of nftables"
    yield f"node: {memory_of(node) / _MIB:.0f} MiB, {descriptors} descriptors, {threads} threads"
    yield f"API server: {memory_of(victims.find('api')) / _MIB:.0f} MiB"


def _available(api: Api) -> int:
    found = api.send("GET", f"/apis/apps/v1/namespaces/default/deployments/{NAME}")[1]
    return int((found.get("status") or {}).get("availableReplicas") or 0)


def _pods(api: Api) -> list[dict[str, Any]]:
    return list(api.send("GET", "/api/v1/namespaces/default/pods")[1]["items"])


def _is_as_before(cluster: EmbeddedCluster, before: Remains) -> bool:
    return remains(cluster.data_dir) == before


def _objects(pods: int, port: int) -> list[dict[str, Any]]:
    labels = {"app": NAME}
    container = {
        "name": "app",
        "image": "crossfade/djapp:v1",
        "readinessProbe": {"httpGet": {"path": "/ping", "port": 9080}, "periodSeconds": 5},
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 2},
    }
    deployment = {"replicas": pods, "selector": {"matchLabels": labels}, "template": template}
    service = {"type": "LoadBalancer", "selector": labels, "ports": [{"port": port, "targetPort": 9080}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": deployment},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": service},
    ]
