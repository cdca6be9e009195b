"""The channel between `up`, in the machine's network, and the node: small JSON messages, listening sockets with them.

It is also the leash: when either end closes, the other one ends.
"""

import array
import socket
from typing import Final

import orjson

from crossfade_kube.meta import JsonObject

HEARTBEAT_S: Final = 1.0
"""How often a node says that it is alive."""
_MAX_MESSAGE: Final = 65_536


def channel() -> tuple[socket.socket, socket.socket]:
    """Two connected ends that keep message boundaries."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(end: socket.socket, message: JsonObject, *, descriptor: int | None = None) -> None:
    """Raises OSError when the other end is gone."""
    attached = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
    end.sendmsg([orjson.dumps(message)], attached)


def receive(end: socket.socket) -> tuple[JsonObject, int | None] | None:
    """A message and the descriptor that came with it; None when the other end is gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(end, _MAX_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return None
    if not data:
        return None
    return orjson.loads(data), descriptors[0] if descriptors else None
