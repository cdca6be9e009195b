"""Ports of the machine that somebody names: `nodePort` of Services and `hostPort` of pods, on 127.0.0.1.

A port that is taken costs nothing but itself: whoever asked for it is told by an Event, and it is tried again.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from crossfade_kube.meta import ObjectRef
from crossfade_local.load_balancer import targets_of
from crossfade_local.pod_table import PodEntry, PodPort
from crossfade_local.port_relays import PROTOCOLS, AnyRelay, OpenPort, relay_for
from crossfade_local.service_table import Endpoint, ServiceEntry, ServiceTable

_RETRY_S: Final = 10.0
_LOOPBACK: Final = "127.0.0.1"
_ANY_HOST: Final = ("", "0.0.0.0", _LOOPBACK)

Warn = Callable[[ObjectRef, str, str], None]


class HostPort(NamedTuple):
    number: int
    protocol: str


class Exposure(NamedTuple):
    """Who asked for the port, and where its connections or datagrams go."""

    ref: ObjectRef
    field: str
    targets: tuple[Endpoint, ...]


class Refusal(NamedTuple):
    """Who asked for what is not done; the message is for an Event."""

    ref: ObjectRef
    message: str


class Wanted(NamedTuple):
    exposures: dict[HostPort, Exposure]
    refusals: tuple[Refusal, ...]


def wanted(table: ServiceTable, pods: Iterable[PodEntry]) -> Wanted:
    """By port; of two that ask for the same the older one gets it. Pure."""
    asked = [*_node_ports(table), *_host_ports(pods)]
    exposures: dict[HostPort, Exposure] = {}
    refusals = []
    for _, _, port, exposure, problem in sorted(asked, key=lambda one: one[:2]):
        if problem:
            refusals.append(Refusal(exposure.ref, problem))
        elif (other := exposures.setdefault(port, exposure)).ref != exposure.ref:
            holder = f"{other.ref.kind} {other.ref.namespace}/{other.ref.name}"
            refusals.append(Refusal(exposure.ref, f"{exposure.field} {port.number} is taken by {holder}: not opened"))
    return Wanted(exposures, tuple(dict.fromkeys(refusals)))


_Asked = tuple[str, str, HostPort, Exposure, str]
"""When it was made, its name, the port, what for, and what is in the way."""


def _node_ports(table: ServiceTable) -> Iterator[_Asked]:
    for entry in table.values():
        # Those of type LoadBalancer have ports of their own on the machine.
        if entry.kind == "NodePort":
            for port in entry.ports:
                if port.node_port:
                    asked = HostPort(port.node_port, port.protocol)
                    exposure = Exposure(_service_ref(entry), "nodePort", targets_of(entry, port))
                    yield entry.created, str(entry.key), asked, exposure, _problem_with("nodePort", asked)


def _service_ref(entry: ServiceEntry) -> ObjectRef:
    return ObjectRef("v1", "Service", entry.key.namespace, entry.key.name, entry.uid)


def _host_ports(pods: Iterable[PodEntry]) -> Iterator[_Asked]:
    for pod in pods:
        for port in pod.ports:
            if port.host:
                asked = HostPort(port.host, port.protocol)
                exposure = Exposure(pod.ref, "hostPort", (Endpoint(pod.address, port.port),))
                yield pod.created, str(pod.key), asked, exposure, _host_port_problem(port)


def _host_port_problem(port: PodPort) -> str:
    if port.host_ip not in _ANY_HOST:
        return f"hostPort {port.host} is not opened on {port.host_ip}: this cluster opens ports on {_LOOPBACK} only"
    return _problem_with("hostPort", HostPort(port.host, port.protocol))


def _problem_with(field: str, port: HostPort) -> str:
    if port.protocol in PROTOCOLS:
        return ""
    said = f"only {' and '.join(PROTOCOLS)} are, not {port.protocol}; pods reach it all the same"
    return f"{field} {port.number} is not opened on this machine: {said}"


class HostExposure:
    """Keeps the machine's listeners equal to what is wanted."""

    def __init__(self, *, open_exactly: OpenPort, warn: Warn) -> None:
        self._open_exactly = open_exactly
        self._warn = warn
        self._wanted = Wanted({}, ())
        self._relays: dict[HostPort, AnyRelay] = {}
        self._told: set[Refusal] = set()
        self._dirty = asyncio.Event()

    @property
    def ports(self) -> frozenset[HostPort]:
        """Those that are open."""
        return frozenset(self._relays)

    def update(self, now: Wanted) -> None:
        if now != self._wanted:
            self._wanted = now
            self._dirty.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._changed_or_due()
                self._dirty.clear()
                await self._settle(self._wanted)
        finally:
            for relay in self._relays.values():
                relay.close()

    async def _changed_or_due(self) -> None:
        missing = self._wanted.exposures.keys() - self._relays.keys()
        try:
            async with asyncio.timeout(_RETRY_S if missing else None):
                await self._dirty.wait()
        except TimeoutError:
            return

    async def _settle(self, now: Wanted) -> None:
        for port in self._relays.keys() - now.exposures.keys():
            self._relays.pop(port).close()
        refusals = [*now.refusals]
        for port, exposure in now.exposures.items():
            if port not in self._relays:
                try:
                    listening = await self._open_exactly(*port)
                except OSError as error:
                    refusals.append(Refusal(exposure.ref, f"{exposure.field} {port.number} is not opened: {error}"))
                    continue
                self._relays[port] = relay_for(listening, port.protocol)
                self._relays[port].start()
            self._relays[port].targets = exposure.targets
        self._tell(set(refusals))

    def _tell(self, refusals: set[Refusal]) -> None:
        """Once for each, until it is no more."""
        for refusal in sorted(refusals - self._told):
            self._warn(refusal.ref, "PortNotOpened", refusal.message)
        self._told = refusals
