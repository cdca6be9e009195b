"""The node's own network and the cable from it to each pod.

Routed, no bridge: a pod has one /32 and a default route via 169.254.1.1; the node has a /32 route per pod. So every
packet between pods passes the node's connection tracking, where ClusterIPs are translated.
"""

import contextlib
import socket
from pathlib import Path
from typing import Final

from crossfade_local import namespaces
from crossfade_local.namespaces import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUTS, Namespaces
from crossfade_local.netlink import Netlink

SERVICE_RANGE: Final = "10.96.0.0/16"
API_ADDRESS: Final = "10.96.0.1"
API_PORT: Final = 443
DNS_ADDRESS: Final = "10.96.0.10"
NODE_ADDRESS: Final = "10.244.0.1"
POD_PREFIX: Final = "10.244"
POD_RANGE: Final = f"{POD_PREFIX}.0.0/16"
_GATEWAY: Final = "169.254.1.1"

# Addresses 10.244.0.1 to .15 stay with the node.
_FIRST_POD: Final = 16
_LAST_POD: Final = 65_534


class AddressPool:
    """Hands out addresses in turn: none is reused while peers may still remember its last owner."""

    def __init__(self) -> None:
        self._next = _FIRST_POD
        self._taken: set[int] = set()

    def take(self) -> str:
        for _ in range(_LAST_POD):
            number = self._next
            self._next = number + 1 if number < _LAST_POD else _FIRST_POD
            if number not in self._taken:
                self._taken.add(number)
                return f"{POD_PREFIX}.{number >> 8}.{number & 255}"
        raise OSError("every pod address is taken")

    def give_back(self, address: str) -> None:
        high, low = address.split(".")[2:]
        self._taken.discard((int(high) << 8) + int(low))


def prepare_node(netlink: Netlink) -> None:
    """Loopback with the API's, DNS's and the node's addresses, and forwarding. Idempotent only in a fresh namespace."""
    loopback = netlink.index_of("lo")
    netlink.set_up(loopback)
    for address in (NODE_ADDRESS, API_ADDRESS, DNS_ADDRESS):
        netlink.add_address(loopback, address)
    # Without a route the node's own connections to a ClusterIP fail before they are translated.
    netlink.add_route(SERVICE_RANGE, index=loopback, source=NODE_ADDRESS)
    _set("net/ipv4/ip_forward", "1")
    # A pod cannot speak for another one: policies go by addresses.
    for name in ("all", "default"):
        _set(f"net/ipv4/conf/{name}/rp_filter", "1")
    _set("net/ipv4/ip_unprivileged_port_start", "0")


def create_pod_namespaces(*, hostname: str, address: str, link: str, node: Netlink, node_namespace: int) -> Namespaces:
    """Must run on a fresh thread. Its result keeps the pod's namespaces alive; `link` names the node's end."""
    namespaces.unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC)
    socket.sethostname(hostname[:63])
    _set("net/ipv4/ip_unprivileged_port_start", "0")
    with contextlib.suppress(FileNotFoundError):
        # As engines do that have it among their default settings: what waits for a server that is started again need
        # not be refused. Linux has it since 5.14.
        _set("net/ipv4/tcp_migrate_req", "1")
    with Netlink() as pod:
        pod.set_up(pod.index_of("lo"))
        pod.add_veth("eth0", peer=link, peer_namespace=node_namespace)
        outside = node.index_of(link)
        node.add_address(outside, _GATEWAY)
        node.set_up(outside)
        inside = pod.index_of("eth0")
        pod.add_address(inside, address)
        pod.set_up(inside)
        pod.add_route("0.0.0.0/0", index=inside, gateway=_GATEWAY)
        node.add_route(f"{address}/32", index=outside, source=NODE_ADDRESS)
    return Namespaces(*(namespaces.open_own(kind) for kind in ("net", "uts", "ipc")))


def forget_pod(node: Netlink, address: str, pod: Namespaces | None) -> None:
    """Ends every process left in the pod's network and takes its route away.

    The cable goes with the namespace, which the kernel removes in its own time; waiting for it would take 50 ms.
    """
    if pod is not None:
        namespaces.kill_all_in(pod.net)
        pod.close()
    with contextlib.suppress(OSError):
        node.delete_route(address)


def _set(name: str, value: str) -> None:
    Path("/proc/sys", name).write_text(value, encoding="ascii")
