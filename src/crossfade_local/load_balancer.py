"""LoadBalancer Services: ports on the machine's 127.0.0.1, relayed to the Service's cluster address.

A Service that has endpoints but no ready one gets its traffic all the same, as AWS's Network Load Balancer does: a pod
whose helper container restarts may still serve.

The first Service whose port 80 or 443 asks gets the listener that `up` opened for it; any other port is opened by `up`
on request: the same number if it is free, else any.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, cast

from crossfade_kube.meta import NamespacedName
from crossfade_local.service_table import Endpoint, ServiceEntry, ServiceTable

_WELL_KNOWN: Final = {80: "http", 443: "https"}
_CONNECT_TIMEOUT_S: Final = 5.0
# The kernel's table and the targets here follow the endpoints one after the other.
_RETRY_PAUSES_S: Final = (0.02, 0.1)


class Want(NamedTuple):
    """A Service port that asks for a port of the machine."""

    service: NamespacedName
    port: int


class Listening(NamedTuple):
    socket: socket.socket
    port: int


OpenPort = Callable[[int], Awaitable[Listening]]
Publish = Callable[[ServiceEntry, dict[int, int]], Awaitable[None]]


def wants(table: ServiceTable) -> dict[Want, ServiceEntry]:
    """In the order of the Services' age, then name: who was first keeps a contested port."""
    entries = sorted(table.values(), key=lambda entry: (entry.created, entry.key))
    return {
        Want(entry.key, port.port): entry
        for entry in entries
        if entry.kind == "LoadBalancer" and entry.cluster_ip and not entry.is_headless
        for port in entry.ports
        if port.protocol == "TCP"
    }


class LoadBalancer:
    """`prepared` are the listeners named http and https. `addresses`: Service port to machine port."""

    def __init__(self, prepared: dict[str, Listening], *, open_port: OpenPort, publish: Publish) -> None:
        self._free = dict(prepared)
        self._prepared = dict(prepared)
        self._open_port = open_port
        self._publish = publish
        self._relays: dict[Want, Relay] = {}
        self._kept: dict[str, Relay] = {}
        self._table: ServiceTable = {}
        self._dirty = asyncio.Event()
        self._published: dict[NamespacedName, tuple[dict[int, int], str]] = {}

    @property
    def addresses(self) -> dict[NamespacedName, dict[int, int]]:
        found: dict[NamespacedName, dict[int, int]] = {}
        for want, relay in self._relays.items():
            found.setdefault(want.service, {})[want.port] = relay.port
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
            for relay in {*self._kept.values(), *self._relays.values()}:
                relay.close()

    async def _settle(self, wanted: dict[Want, ServiceEntry]) -> None:
        for want in [want for want in self._relays if want not in wanted]:
            self._release(want)
        for want, entry in wanted.items():
            if want not in self._relays:
                self._relays[want] = await self._relay_for(want)
            self._relays[want].targets = _targets(entry, want.port)
        addresses = self.addresses
        for entry in {entry.key: entry for entry in wanted.values()}.values():
            news = (addresses[entry.key], entry.created)
            if self._published.get(entry.key) != news:
                await self._publish(entry, addresses[entry.key])
                self._published[entry.key] = news
        for key in self._published.keys() - addresses.keys():
            del self._published[key]

    async def _relay_for(self, want: Want) -> "Relay":
        name = _WELL_KNOWN.get(want.port, "")
        if name in self._kept and self._kept[name] not in self._relays.values():
            return self._kept[name]
        relay = Relay(await self._open_port(want.port))
        relay.start()
        return relay

    def _release(self, want: Want) -> None:
        relay = self._relays.pop(want)
        relay.targets = ()
        if relay not in self._kept.values():
            relay.close()


def _targets(entry: ServiceEntry, number: int) -> tuple[Endpoint, ...]:
    port = next(port for port in entry.ports if port.port == number and port.protocol == "TCP")
    if port.unready and not port.endpoints:
        return port.unready
    return (Endpoint(entry.cluster_ip, number),)


class Relay:
    """Connects every connection of one listener to any of the targets; without one it refuses them by a reset."""

    def __init__(self, listening: Listening) -> None:
        self.port = listening.port
        self.targets: tuple[Endpoint, ...] = ()
        self._socket = listening.socket
        self._server: asyncio.AbstractServer | None = None
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._starting = asyncio.get_running_loop().create_task(self._serve())

    def close(self) -> None:
        if self._server:
            self._server.close()
        self._socket.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Downstream(self), sock=self._socket)


class _Side(asyncio.Protocol):
    """One of the two connections of a relay; what arrives goes to the other, at the pace that one takes it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self._early: list[bytes] = []
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self.transport = cast("asyncio.Transport", transport)
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport:
            self.other.transport.write(data)
        else:
            self._early.append(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self.other and self.other.transport and self.other.transport.can_write_eof():
            with contextlib.suppress(OSError, RuntimeError):
                self.other.transport.write_eof()
        if self.other and self.other.ended:
            for side in (self, self.other):
                if side.transport:
                    side.transport.close()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.other and self.other.transport:
            if exc:
                self.other.transport.abort()
            else:
                self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other and self.other.transport:
            with contextlib.suppress(RuntimeError):
                self.other.transport.resume_reading()

    def join(self, other: "_Side") -> None:
        """Hands over what came before the other side was there."""
        self.other, other.other = other, self
        for data in self._early:
            self.data_received(data)
        self._early.clear()
        if self.ended:
            self.eof_received()


class _Downstream(_Side):
    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connecting:
            self._connecting.cancel()
        super().connection_lost(exc)

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                upstream = await self._reach()
        except (OSError, TimeoutError):
            self._reset()
        else:
            self.join(upstream)

    async def _reach(self) -> _Side:
        for pause_s in _RETRY_PAUSES_S:
            with contextlib.suppress(ConnectionError):
                return await self._reach_once()
            await asyncio.sleep(pause_s)
        return await self._reach_once()

    async def _reach_once(self) -> _Side:
        if not self._relay.targets:
            raise ConnectionAbortedError("no Service has this port")
        target = random.choice(self._relay.targets)  # noqa: S311 - spreading load
        upstream = _Side()
        await asyncio.get_running_loop().create_connection(lambda: upstream, *target)
        return upstream

    def _reset(self) -> None:
        assert self.transport is not None
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()
