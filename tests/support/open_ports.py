"""Ports of a pod that others can reach, as its kernel has them."""

from typing import Final

from tests.support.cluster import EmbeddedCluster

_LISTENING: Final = "0A"
# IPv4, IPv6, and IPv4 as an IPv6 socket has it.
_LOOPBACK: Final = ("0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F")


def open_ports(cluster: EmbeddedCluster, namespace: str, workload: str, container: str) -> set[int]:
    """TCP ports that any of the pod's processes listens on, but for those of its loopback."""
    where = ("exec", "-n", namespace, workload, "-c", container)
    tables = (cluster.kubectl(*where, "--", "cat", f"/proc/net/{table}") for table in ("tcp", "tcp6"))
    return {port for table in tables for port in listening(table)}


def listening(table: str) -> set[int]:
    """Of a table of /proc/net: `sl local_address rem_address st …`, addresses and ports in hexadecimal digits."""
    rows = (line.split() for line in table.splitlines()[1:])
    sockets = (local.split(":") for _, local, _, state, *_ in rows if state == _LISTENING)
    return {int(port, 16) for address, port in sockets if address not in _LOOPBACK}
