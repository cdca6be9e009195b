"""Clients that show a certificate, which wrk cannot: threads that ask one after another, each on its own connection."""

import socket
import ssl
import threading
import time
from pathlib import Path
from typing import NamedTuple


class TlsClient(NamedTuple):
    """Without `certificate` and `key` it shows none. `keeps` the connection, or begins a new one for each request."""

    server_name: str
    keeps: bool
    certificate: Path | None = None
    key: Path | None = None

    def requests_answered(self, port: int, path: str, *, seconds: float, connections: int) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.certificate is not None:
            context.load_cert_chain(self.certificate, self.key)
        counts = [0] * connections
        end = time.monotonic() + seconds

        def ask(place: int) -> None:
            while time.monotonic() < end:
                counts[place] += self._asked(context, port, path, end)

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(counts)

    def _asked(self, context: ssl.SSLContext, port: int, path: str, end: float) -> int:
        """On one connection."""
        request = f"GET {path} HTTP/1.1\r\nHost: {self.server_name}\r\n\r\n".encode()
        count = 0
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=self.server_name) as connection,
        ):
            while True:
                connection.sendall(request)
                answer = connection.recv(65536)
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(answer[:200].decode("latin-1"))
                count += 1
                if not self.keeps or time.monotonic() >= end:
                    return count
