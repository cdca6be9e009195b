"""The relay for a port of the machine, by its protocol."""

from collections.abc import Awaitable, Callable
from typing import Final

from crossfade_local.relay import Listening, Relay
from crossfade_local.udp_relay import UdpRelay

AnyRelay = Relay | UdpRelay
OpenPort = Callable[[int, str], Awaitable[Listening]]
"""Takes number and protocol. Raises OSError."""

_RELAYS: Final[dict[str, Callable[[Listening], AnyRelay]]] = {"TCP": Relay, "UDP": UdpRelay}
PROTOCOLS: Final = tuple(_RELAYS)


def relay_for(listening: Listening, protocol: str) -> AnyRelay:
    return _RELAYS[protocol](listening)
