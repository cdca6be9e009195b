"""Ports for servers that are started by others: nobody else may take one between the choice and the start.

They lie below the range that the kernel takes ports of outgoing connections and of listeners on port 0 from, and each
worker of a test run has a part of its own. Those at which proxies of a mesh always listen are nobody's.
"""

import itertools
import os
import random
import socket
from collections.abc import Iterator
from typing import Final

from crossfade.compile.mesh.gateway_links import LOOP_PROTOCOLS
from crossfade.compile.mesh.names import INBOUND_PORT, OUTBOUND_PORT

# Below the node ports of a cluster.
_FIRST: Final = 12_000
_LAST: Final = 29_999
_PARTS: Final = 9
_OF_PROXIES: Final = {INBOUND_PORT, OUTBOUND_PORT, *LOOP_PROTOCOLS}


def free_ports(count: int) -> list[int]:
    """Never the same twice in one process, until all have been given."""
    return list(itertools.islice((port for port in _ports if _is_free(port)), count))


def _own_part() -> range:
    size = (_LAST - _FIRST + 1) // _PARTS
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST + worker % _PARTS * size
    return range(first, first + size)


def _from_anywhere(part: range) -> Iterator[int]:
    """Several test runs on one machine begin at different places."""
    start = random.randrange(len(part))
    return itertools.cycle([port for port in (*part[start:], *part[:start]) if port not in _OF_PROXIES])


def _is_free(port: int) -> bool:
    for address in ("127.0.0.1", "0.0.0.0"):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((address, port))
            except OSError:
                return False
    return True


_ports = _from_anywhere(_own_part())
