"""For which hosts the plugin acme asks for certificates: those of its domains that routes name.

Kong asks when somebody wants to see a certificate that is not there. Nobody tells the control plane of that, so it asks
beforehand, for what it can know by name.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from crossfade.api.bounds import Misfit, host_name, is_ip_address
from crossfade.compile.gateway.acme_store import LONGEST_HOST
from crossfade.compile.gateway.state import KongRoute


class Hosts(NamedTuple):
    """`unknown` are hosts of routes that stand for many names, of which some are of the domains."""

    wanted: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    """Domains that no client of TLS can ask for."""


def hosts_of(config: Mapping[str, Any], routes: Iterable[KongRoute], certified: Iterable[str]) -> Hosts:
    """`certified` are server names that have a certificate already, some `*.x`."""
    named = _Names(host for route in routes for host in route.hosts or ("*",))
    known = frozenset(certified)
    domains = [domain.lower() for domain in config["domains"] or ()]
    endings = frozenset(domain[1:] for domain in domains if domain.startswith("*."))
    takes_all = bool(config["allow_any_domain"])
    plain = {domain for domain in domains if not takes_all and "*" not in domain and ":" not in domain}
    found = {domain for domain in plain if named.stand_for(domain)}
    found |= {host for host in named.exact if takes_all or _has_ending(host, endings)}
    addresses = tuple(sorted(name for name in plain if is_ip_address(name)))
    wanted = sorted(name for name in found if _can_be_certified(name) and not _is_certified(name, known))
    return Hosts(tuple(wanted), tuple(sorted(named.unknown(endings, takes_all=takes_all))), addresses)


class _Names:
    """Hosts of routes: exact ones, `*.x`, `x.*`, and `*` for a route that takes any."""

    def __init__(self, hosts: Iterable[str]) -> None:
        every = {host.lower() for host in hosts}
        self.exact = {host for host in every if "*" not in host}
        self._wild = every - self.exact

    def stand_for(self, name: str) -> bool:
        if name in self.exact or "*" in self._wild:
            return True
        patterns = (f"*{ending}" for ending in _endings(name))
        return any(one in self._wild for one in patterns) or any(f"{one}.*" in self._wild for one in _beginnings(name))

    def unknown(self, endings: frozenset[str], *, takes_all: bool) -> set[str]:
        """Patterns that stand for names which are of the domains, and which nobody can know."""
        if takes_all:
            return self._wild
        if not endings:
            return set()
        return {host for host in self._wild if host == "*" or _has_ending(host[1:], endings) or host[1:] in endings}


def _endings(name: str) -> Iterator[str]:
    """`a.b.c` → `.b.c`, `.c`."""
    labels = name.split(".")
    return (f".{'.'.join(labels[start:])}" for start in range(1, len(labels)))


def _beginnings(name: str) -> Iterator[str]:
    labels = name.split(".")
    return (".".join(labels[:end]) for end in range(1, len(labels)))


def _has_ending(name: str, endings: frozenset[str]) -> bool:
    return any(ending in endings for ending in _endings(name))


def _can_be_certified(name: str) -> bool:
    is_name = not isinstance(host_name(name), Misfit) and not name.endswith(".")
    return is_name and len(name) <= LONGEST_HOST and not is_ip_address(name)


def _is_certified(name: str, known: frozenset[str]) -> bool:
    return name in known or any(f"*{ending}" in known for ending in _endings(name))
