"""The node's one nftables table, as text for `nft -f -`: Service addresses to endpoints. Pure.

Lookups are by verdict map, so a packet costs the same with one Service or a thousand. The table is replaced whole, in
one transaction; connections under way keep their translation in connection tracking.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from crossfade_local.network import API_ADDRESS, DNS_ADDRESS, NODE_ADDRESS, SERVICE_RANGE
from crossfade_local.pod_table import PodEntry
from crossfade_local.service_table import Endpoint, ServiceEntry, ServicePort, ServiceTable

TABLE: Final = "ip crossfade"
_PROTOCOLS: Final = ("TCP", "UDP")


def render_table(table: ServiceTable, pods: Iterable[PodEntry] = ()) -> str:
    """Services without ready endpoints are left out: what no rule translates is refused at once, not dropped.

    Of `pods` come the host ports that other pods reach at the node's address.
    """
    served = sorted(_served(table.values()))
    chains = [_chain(name, port, sticky) for name, _, port, sticky in served]
    by_address = [
        f"{address} . {port.protocol.lower()} . {port.port} : goto {name}"
        for name, address, port, _ in served
        if address
    ]
    by_node_port = [
        f"{port.protocol.lower()} . {port.node_port} : goto {name}" for name, _, port, _ in served if port.node_port
    ]
    served_pods = sorted({endpoint.address for _, _, port, _ in served for endpoint in port.endpoints})
    return "\n".join(
        [
            f"table {TABLE}",
            f"delete table {TABLE}",
            f"table {TABLE} {{",
            _map("services", "ipv4_addr . inet_proto . inet_service : verdict", by_address, keyword="map"),
            _map("node_ports", "inet_proto . inet_service : verdict", by_node_port, keyword="map"),
            _map(
                "host_ports",
                "inet_proto . inet_service : ipv4_addr . inet_service",
                sorted(_host_ports(pods)),
                keyword="map",
            ),
            _map("hairpin", "ipv4_addr . ipv4_addr", [f"{pod} . {pod}" for pod in served_pods], keyword="set"),
            *chains,
            _HOOKS,
            "}",
            "",
        ]
    )


def _served(entries: Iterable[ServiceEntry]) -> Iterator[tuple[str, str, ServicePort, bool]]:
    for entry in entries:
        if not entry.cluster_ip or entry.is_headless:
            continue
        # The API's and DNS's addresses are the node's own.
        if entry.cluster_ip in (API_ADDRESS, DNS_ADDRESS):
            continue
        for port in entry.ports:
            if port.endpoints and port.protocol in _PROTOCOLS:
                name = f"svc_{entry.cluster_ip.replace('.', '_')}_{port.protocol.lower()}_{port.port}"
                yield name, entry.cluster_ip, port, entry.sticky


def _host_ports(pods: Iterable[PodEntry]) -> Iterator[str]:
    taken = set[tuple[str, int]]()
    for pod in sorted(pods, key=lambda pod: (pod.created, str(pod.key))):
        for port in pod.ports:
            if port.host and port.protocol in _PROTOCOLS and (port.protocol, port.host) not in taken:
                taken.add((port.protocol, port.host))
                yield f"{port.protocol.lower()} . {port.host} : {pod.address} . {port.port}"


def _chain(name: str, port: ServicePort, sticky: bool) -> str:
    count = len(port.endpoints)
    chooser = f"jhash ip saddr mod {count}" if sticky else f"numgen random mod {count}"
    target = _one(port.endpoints[0]) if count == 1 else f"{chooser} map {{ {_choices(port.endpoints)} }}"
    return f"  chain {name} {{\n    meta l4proto {port.protocol.lower()} dnat ip to {target}\n  }}"


def _choices(endpoints: tuple[Endpoint, ...]) -> str:
    return ", ".join(f"{index} : {endpoint.address} . {endpoint.port}" for index, endpoint in enumerate(endpoints))


def _one(endpoint: Endpoint) -> str:
    return f"{endpoint.address}:{endpoint.port}"


def _map(name: str, kind: str, elements: list[str], *, keyword: str) -> str:
    # An empty list of elements is a syntax error.
    listed = f"    elements = {{ {', '.join(elements)} }}\n" if elements else ""
    return f"  {keyword} {name} {{\n    type {kind}\n{listed}  }}"


_HOOKS: Final = f"""\
  chain translate {{
    ip daddr . meta l4proto . th dport vmap @services
    ip daddr {NODE_ADDRESS} meta l4proto . th dport vmap @node_ports
    ip daddr {NODE_ADDRESS} meta l4proto {{ tcp, udp }} dnat ip to meta l4proto . th dport map @host_ports
  }}
  chain prerouting {{
    type nat hook prerouting priority -100; policy accept;
    jump translate
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    jump translate
  }}
  chain postrouting {{
    type nat hook postrouting priority 100; policy accept;
    ct status dnat ip saddr . ip daddr @hairpin masquerade
  }}
  chain refuse {{
    ip daddr {{ {API_ADDRESS}, {DNS_ADDRESS} }} return
    ip daddr {SERVICE_RANGE} meta l4proto tcp reject with tcp reset
    ip daddr {SERVICE_RANGE} reject
  }}
  chain refuse_forwarded {{
    type filter hook forward priority 0; policy accept;
    jump refuse
  }}
  chain refuse_own {{
    type filter hook output priority 0; policy accept;
    jump refuse
  }}"""
