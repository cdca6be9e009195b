"""Takes records of log plugins by UDP, by TCP, by HTTP and in place of the system's log, and throws them away."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

_DONE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_PIECE: Final = 1 << 20
_SYSTEM_LOG: Final = Path("/dev/log")


class Sink(NamedTuple):
    """Ports."""

    udp: int
    tcp: int
    http: int


@contextmanager
def record_sink() -> Iterator[Sink]:
    with ExitStack() as stack:
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        _started(_drain, datagrams)
        streams, requests = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        _started(_accept, streams, _drain)
        _started(_accept, requests, _answer)
        yield Sink(*(one.getsockname()[1] for one in (datagrams, streams, requests)))


@contextmanager
def system_log() -> Iterator[None]:
    """As root, where there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
        try:
            datagrams.bind(str(_SYSTEM_LOG))
        except OSError as error:
            reason = f"{_SYSTEM_LOG}: {error.strerror}: syslog is measured as root, on a machine without a system log"
            raise RuntimeError(reason) from error
        _started(_drain, datagrams)
        try:
            yield
        finally:
            _SYSTEM_LOG.unlink()


def _started(work: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


def _accept(server: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        _started(serve, connection)


def _drain(taken: socket.socket) -> None:
    buffer = bytearray(_PIECE)
    try:
        while taken.recv_into(buffer):
            pass
    except OSError:
        pass


def _answer(connection: socket.socket) -> None:
    try:
        with connection, connection.makefile("rb") as stream:
            while length := _length(stream):
                stream.read(length)
                connection.sendall(_DONE)
    except OSError:
        pass


def _length(stream: Any) -> int:
    """Of the body of the next request; 0 at the end."""
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return length
