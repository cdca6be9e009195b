"""What the product's containers hold, as their kubelets count it."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from tests.kubernetes.cluster import Cluster, Json

OURS: Final = {
    "appmesh-system": {"controller": "controller of the mesh"},
    "kong": {"ingress-controller": "controller of the gateway", "proxy": "proxy of the gateway"},
    "prod": {"envoy": "sidecar"},
}
"""Namespaces and containers of the walkthrough."""


class Memory(NamedTuple):
    """The largest of its kind, in bytes that the kernel cannot take back at once."""

    what: str
    working_set: int


def memory(cluster: Cluster) -> list[Memory]:
    names = [node["metadata"]["name"] for node in cluster.read("nodes")["items"]]
    return largest(cluster.raw(f"/api/v1/nodes/{name}/proxy/stats/summary") for name in names)


def largest(summaries: Iterable[Json]) -> list[Memory]:
    """Of kubelets' summaries."""
    found: dict[str, int] = {}
    for pod in (pod for summary in summaries for pod in summary["pods"]):
        known = OURS.get(pod["podRef"]["namespace"], {})
        for container in pod.get("containers", ()):
            held = container.get("memory", {}).get("workingSetBytes", 0)
            if what := known.get(container["name"]):
                found[what] = max(held, found.get(what, 0))
    return [Memory(what, held) for what, held in sorted(found.items())]
