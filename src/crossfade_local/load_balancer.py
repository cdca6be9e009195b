"""LoadBalancer Services: ports of TCP and UDP on the machine's 127.0.0.1, relayed to the Service's cluster address.

A Service that has endpoints but no ready one gets its traffic all the same, as AWS's Network Load Balancer does: a pod
whose helper container restarts may still serve.

The first Service whose port 80 or 443 of TCP asks gets the listener that `up` opened for it; any other port is opened
by `up` on request: the same number if it is free, else any.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from crossfade_kube.meta import NamespacedName
from crossfade_local.port_relays import PROTOCOLS, AnyRelay, OpenPort, relay_for
from crossfade_local.relay import Listening, Relay
from crossfade_local.service_table import Endpoint, ServiceEntry, ServicePort, ServiceTable

_WELL_KNOWN: Final = {(80, "TCP"): "http", (443, "TCP"): "https"}


class Want(NamedTuple):
    """A Service port that asks for a port of the machine."""

    service: NamespacedName
    port: int
    protocol: str


class OpenedPort(NamedTuple):
    """A Service's port, and that of the machine where it is reached."""

    port: int
    protocol: str
    of_machine: int


Publish = Callable[[ServiceEntry, list[OpenedPort]], Awaitable[None]]


def wants(table: ServiceTable) -> dict[Want, tuple[ServiceEntry, ServicePort]]:
    """In the order of the Services' age, then name: who was first keeps a contested port."""
    entries = sorted(table.values(), key=lambda entry: (entry.created, entry.key))
    return {
        Want(entry.key, port.port, port.protocol): (entry, port)
        for entry in entries
        if entry.kind == "LoadBalancer" and entry.cluster_ip and not entry.is_headless
        for port in entry.ports
        if port.protocol in PROTOCOLS
    }


class LoadBalancer:
    """`prepared` are the listeners named http and https; `changed` is called when `opened` is another."""

    def __init__(
        self, prepared: dict[str, Listening], *, open_port: OpenPort, publish: Publish, changed: Callable[[], None]
    ) -> None:
        self._free = dict(prepared)
        self._prepared = dict(prepared)
        self._open_port = open_port
        self._publish = publish
        self._changed = changed
        self._relays: dict[Want, AnyRelay] = {}
        self._kept: dict[str, Relay] = {}
        self._table: ServiceTable = {}
        self._dirty = asyncio.Event()
        self._published: dict[NamespacedName, tuple[list[OpenedPort], str]] = {}

    @property
    def opened(self) -> dict[NamespacedName, list[OpenedPort]]:
        found: dict[NamespacedName, list[OpenedPort]] = {}
        for want, relay in sorted(self._relays.items(), key=lambda one: one[0]):
            found.setdefault(want.service, []).append(OpenedPort(want.port, want.protocol, relay.port))
        return found

    def update(self, table: ServiceTable) -> None:
        self._table = table
        self._dirty.set()

    async def run(self) -> None:
        """Until cancelled."""
        idle = {name: Relay(listening) for name, listening in self._prepared.items()}
        self._kept = idle
        for relay in idle.values():
            relay.start()
        try:
            while True:
                await self._dirty.wait()
                self._dirty.clear()
                await self._settle(wants(self._table))
        finally:
            for one in {*self._kept.values(), *self._relays.values()}:
                one.close()

    async def _settle(self, wanted: dict[Want, tuple[ServiceEntry, ServicePort]]) -> None:
        before = self.opened
        for want in [want for want in self._relays if want not in wanted]:
            self._release(want)
        for want, (entry, port) in wanted.items():
            if want not in self._relays:
                self._relays[want] = await self._relay_for(want)
            self._relays[want].targets = targets_of(entry, port)
        opened = self.opened
        if opened != before:
            self._changed()
        for entry in {entry.key: entry for entry, _ in wanted.values()}.values():
            news = (opened[entry.key], entry.created)
            if self._published.get(entry.key) != news:
                await self._publish(entry, opened[entry.key])
                self._published[entry.key] = news
        for key in self._published.keys() - opened.keys():
            del self._published[key]

    async def _relay_for(self, want: Want) -> AnyRelay:
        relay: AnyRelay
        name = _WELL_KNOWN.get((want.port, want.protocol), "")
        if name in self._kept and self._kept[name] not in self._relays.values():
            return self._kept[name]
        relay = relay_for(await self._open_port(want.port, want.protocol), want.protocol)
        relay.start()
        return relay

    def _release(self, want: Want) -> None:
        relay = self._relays.pop(want)
        relay.targets = ()
        if relay not in self._kept.values():
            relay.close()


def targets_of(entry: ServiceEntry, port: ServicePort) -> tuple[Endpoint, ...]:
    if port.unready and not port.endpoints:
        return port.unready
    return (Endpoint(entry.cluster_ip, port.port),)
