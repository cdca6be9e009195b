"""The node's end of the channel to `up`: signs of life, words for people, ports and sockets of the machine."""

import asyncio
import contextlib
import itertools
import os
import socket
from typing import Final, NoReturn

from crossfade_kube.meta import JsonObject
from crossfade_local import control
from crossfade_local.relay import Listening

_KINDS: Final = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


class Uplink:
    """The node's end of the channel to `up`."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Listening]] = {}
        self._opening: dict[int, asyncio.Future[socket.socket]] = {}
        self.stopped = asyncio.Event()
        self.has_installation = asyncio.Event()

    def start(self) -> None:
        self._end.setblocking(False)
        asyncio.get_running_loop().add_reader(self._end.fileno(), self._receive)

    def tell(self, op: str, text: str = "") -> None:
        with contextlib.suppress(OSError):
            control.send(self._end, {"op": op, "text": text})

    async def beat(self) -> NoReturn:
        """Until cancelled: tells `up` that this process is not stuck."""
        while True:
            self.tell("alive")
            await asyncio.sleep(control.HEARTBEAT_S)

    async def open_port(self, port: int, protocol: str = "TCP", *, exactly: bool = False) -> Listening:
        """What takes it on the machine's 127.0.0.1, on another port if need be. Raises OSError."""
        number = next(self._numbers)
        answer: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        control.send(
            self._end, {"op": "listen", "id": number, "port": port, "kind": int(_KINDS[protocol]), "exactly": exactly}
        )
        return await answer

    async def open_socket(self, kind: socket.SocketKind, family: int = socket.AF_INET) -> socket.socket:
        """An unconnected one of the machine's network. Raises OSError."""
        number = next(self._numbers)
        answer: asyncio.Future[socket.socket] = asyncio.get_running_loop().create_future()
        control.send(self._end, {"op": "socket", "id": number, "kind": int(kind), "family": int(family)})
        self._opening[number] = answer
        return await answer

    def _receive(self) -> None:
        try:
            received = control.receive(self._end)
        except BlockingIOError:
            return
        if received is None:
            # `up` is gone: with this process, the whole cluster ends.
            os._exit(1)
        message, descriptor = received
        if message["op"] == "stop":
            self.stopped.set()
        elif message["op"] == "installation":
            self.has_installation.set()
        elif message["op"] == "socket":
            self._settle(self._opening.pop(message["id"]), descriptor, message)
        elif message["op"] == "listening":
            waiting = self._waiting.pop(message["id"])
            if descriptor is None:
                waiting.set_exception(OSError(message["error"]))
            else:
                waiting.set_result(Listening(socket.socket(fileno=descriptor), message["port"]))

    @staticmethod
    def _settle(waiting: asyncio.Future[socket.socket], descriptor: int | None, message: JsonObject) -> None:
        """Who waited may have given up."""
        opened = None if descriptor is None else socket.socket(fileno=descriptor)
        if waiting.done():
            if opened:
                opened.close()
        elif opened:
            waiting.set_result(opened)
        else:
            waiting.set_exception(OSError(message["error"]))
