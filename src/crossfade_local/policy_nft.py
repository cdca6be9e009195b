"""NetworkPolicies as text for `nft -f -`: one table, replaced whole in one transaction. Pure.

Egress is judged when a Service's address is translated and before anything else happens to a packet, ingress when it
is about to be passed on to a pod. Replies and connections that were allowed once are let through, what a pod says to
itself and what the node says to pods (probes, ports of the machine) too. A packet costs one look-up of its address and
the policies of that pod; equal sets of addresses and of ports are written once.
"""

from collections.abc import Iterable
from typing import Final

from crossfade_local.network_policy import Allow, Direction, Named, PolicyTable, Ports

TABLE: Final = "ip crossfade_policies"
_PROTOCOLS: Final = ("TCP", "UDP", "SCTP")
_INGRESS: Final = "saddr"
_EGRESS: Final = "daddr"


class _Sets:
    """Named sets by what is in them."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, tuple[str, ...]], str] = {}

    def name(self, kind: str, elements: Iterable[str]) -> str:
        key = (kind, tuple(sorted(elements)))
        return self._names.setdefault(key, f"set_{len(self._names)}")

    def lines(self) -> list[str]:
        return [
            f"  set {name} {{\n    type {kind}\n    elements = {{ {', '.join(elements)} }}\n  }}"
            for (kind, elements), name in self._names.items()
        ]


_ADDRESSES: Final = "ipv4_addr; flags interval; auto-merge"
_PORTS: Final = "inet_proto . inet_service; flags interval"
_SERVERS: Final = "ipv4_addr . inet_proto . inet_service"


def render_policies(table: PolicyTable) -> str:
    """Removes the table where no pod is isolated."""
    head = f"table {TABLE}\ndelete table {TABLE}\n"
    if not table.ingress.selecting and not table.egress.selecting:
        return head
    sets = _Sets()
    chains = [*_chains("in", table.ingress, _INGRESS, sets), *_chains("out", table.egress, _EGRESS, sets)]
    pods = sorted({*table.ingress.selecting, *table.egress.selecting})
    itself = _set("itself", "ipv4_addr . ipv4_addr", [f"{pod} . {pod}" for pod in pods])
    hooks = [
        *_hook("in", table.ingress, "forward", "-10", "daddr"),
        *_hook("out", table.egress, "prerouting", "-50", "saddr"),
    ]
    return "\n".join([f"{head}table {TABLE} {{", itself, *sets.lines(), *chains, *hooks, "}", ""])


def _chains(prefix: str, direction: Direction, other_end: str, sets: _Sets) -> list[str]:
    """A chain for each policy, and one for each combination of policies that selects pods."""
    names = {key: f"{prefix}_{number}" for number, key in enumerate(direction.allows)}
    chains = [
        _chain(names[key], [line for allow in allows for line in _allow_lines(allow, other_end, sets)])
        for key, allows in direction.allows.items()
    ]
    combinations = dict.fromkeys(direction.selecting.values())
    for number, keys in enumerate(combinations):
        chains.append(_chain(f"{prefix}_pods_{number}", [*(f"jump {names[key]}" for key in keys), "drop"]))
    return chains


def _hook(prefix: str, direction: Direction, hook: str, priority: str, own_end: str) -> list[str]:
    if not direction.selecting:
        return []
    numbers = {keys: number for number, keys in enumerate(dict.fromkeys(direction.selecting.values()))}
    elements = [
        f"{address} : goto {prefix}_pods_{numbers[keys]}" for address, keys in sorted(direction.selecting.items())
    ]
    rules = [
        f"type filter hook {hook} priority {priority}; policy accept;",
        "ct state established,related accept",
        "ip saddr . ip daddr @itself accept",
        f"ip {own_end} vmap @{prefix}_pods",
    ]
    pods = f"  map {prefix}_pods {{\n    type ipv4_addr : verdict\n    elements = {{ {', '.join(elements)} }}\n  }}"
    return [pods, _chain(prefix, rules)]


def _allow_lines(allow: Allow, other_end: str, sets: _Sets) -> list[str]:
    if allow.peers is not None and not allow.peers:
        return []
    peers = "" if allow.peers is None else f"ip {other_end} @{sets.name(_ADDRESSES, allow.peers)} "
    if allow.ports is None and allow.named is None:
        return [f"{peers}accept"]
    lines = []
    if ports := [_range(one) for one in allow.ports or () if one.protocol in _PROTOCOLS]:
        lines.append(f"{peers}meta l4proto . th dport @{sets.name(_PORTS, ports)} accept")
    if named := [_server(one) for one in allow.named or () if one.protocol in _PROTOCOLS]:
        lines.append(f"{peers}ip daddr . meta l4proto . th dport @{sets.name(_SERVERS, named)} accept")
    return lines


def _range(ports: Ports) -> str:
    last = f"-{ports.last}" if ports.last > ports.first else ""
    return f"{ports.protocol.lower()} . {ports.first}{last}"


def _server(named: Named) -> str:
    return f"{named.address} . {named.protocol.lower()} . {named.port}"


def _set(name: str, kind: str, elements: list[str]) -> str:
    return f"  set {name} {{\n    type {kind}\n    elements = {{ {', '.join(elements)} }}\n  }}"


def _chain(name: str, lines: list[str]) -> str:
    return "\n".join([f"  chain {name} {{", *(f"    {line}" for line in lines), "  }"])
