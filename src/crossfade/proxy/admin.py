"""Asks Envoy's admin interface. Standard library only."""

import socket
from typing import Final

ADMIN_TIMEOUT_S: Final = 5.0
_LOOPBACK: Final = "127.0.0.1"
_LONGEST_LINE: Final = 4096


def is_ready(port: int) -> bool:
    """Envoy has its first configuration.

    Asked of every sidecar at its start, by hand: an HTTP client would stay in its memory for good.
    """
    try:
        with socket.create_connection((_LOOPBACK, port), timeout=ADMIN_TIMEOUT_S) as connection:
            connection.sendall(b"GET /ready HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
            with connection.makefile("rb") as answer:
                return answer.readline(_LONGEST_LINE).split()[1:2] == [b"200"]
    except OSError:
        return False


def ask_admin(port: int, method: str, path: str) -> bytes:
    """Raises OSError, also for an answer that is none."""
    import http.client

    connection = http.client.HTTPConnection(_LOOPBACK, port, timeout=ADMIN_TIMEOUT_S)
    try:
        connection.request(method, path)
        return connection.getresponse().read()
    except http.client.HTTPException as error:
        raise OSError(f"Envoy's admin interface: {error!r}") from error
    finally:
        connection.close()
