"""Addresses and folders of a cluster: what all its parts must agree on."""

from pathlib import Path
from typing import Final, NamedTuple

from tests.kubernetes.releases import Release

BRIDGE: Final = "crossfade-k8s"
"""Joins the nodes' networks with the machine's."""
HOST_ADDRESS: Final = "10.99.0.254"
SERVICES: Final = "10.96.0.0/16"
API_SERVICE: Final = "10.96.0.1"
DNS_SERVICE: Final = "10.96.0.10"
BALANCED: Final = "10.98.0.0/24"
"""Of Services of type LoadBalancer, reached by way of the first node."""
PODS: Final = "10.88.0.0/16"
API_PORT: Final = 6443
ETCD_URL: Final = "http://127.0.0.1:2379"


class Node(NamedTuple):
    """The first is the control plane too."""

    number: int

    @property
    def name(self) -> str:
        return f"node{self.number}"

    @property
    def address(self) -> str:
        return f"10.99.0.{self.number}"

    @property
    def pods(self) -> str:
        return f"10.88.{self.number}.0/24"

    @property
    def cgroup(self) -> str:
        """Below the root of each hierarchy."""
        return f"crossfade-kubernetes/{self.name}"


class Layout(NamedTuple):
    """`folder` holds all that the cluster writes, and goes with it. Its path is short: sockets lie below it."""

    folder: Path
    programs: Path
    release: Release
    nodes: tuple[Node, ...]

    @property
    def control_plane(self) -> Node:
        return self.nodes[0]

    @property
    def server(self) -> str:
        return f"https://{self.control_plane.address}:{API_PORT}"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    def kubeconfig(self, user: str) -> Path:
        return self.pki / f"{user}.kubeconfig"

    def of(self, node: Node) -> Path:
        return self.folder / node.name

    def logs(self, node: Node) -> Path:
        return self.of(node) / "logs"

    def containerd_socket(self, node: Node) -> Path:
        return self.of(node) / "containerd.sock"


def balanced_address(number: int) -> str:
    """Of the `number`th Service of type LoadBalancer, from 1."""
    return BALANCED.replace("0/24", str(number))
