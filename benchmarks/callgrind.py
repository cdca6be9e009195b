"""Envoy under valgrind's callgrind: how many instructions requests take, in the program and in each of its libraries.

Counted is the thread that takes most, the worker: what others do besides depends on how long it all takes. So does the
kernel's share, which is not counted. Counts of the same requests differ by less than 0.5 % from run to run where
nothing depends on the time.
"""

import re
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from crossfade.envoy.binary import envoy_binary

WARM_UP: Final = 100
_CONTROL_WITHIN_S: Final = 120
_ENTRY: Final = re.compile(r"\((?P<id>\d+)\)(?: (?P<name>.*))?")
_LENGTH: Final = re.compile(rb"\ncontent-length: (\d+)", re.IGNORECASE)


def missing_tools() -> list[str]:
    return [name for name in ("valgrind", "callgrind_control") if shutil.which(name) is None]


def program(folder: Path) -> Path:
    """Stands for Envoy's, and counts nothing until it is told to."""
    path = folder / "envoy-counted"
    if not path.exists():
        counts = "--instr-atstart=no --separate-threads=yes"
        options = f"-q --tool=callgrind {counts} --callgrind-out-file={folder}/counted.%p"
        path.write_text(f'#!/bin/sh\nexec valgrind {options} {envoy_binary()} "$@"\n')
        path.chmod(0o700)
    return path


def instructions(pid: int, folder: Path, ask: Callable[[int], None], count: int) -> Counter[str]:
    """Per request, by the name of a library or program; `ask` sends so many requests to the process."""
    ask(WARM_UP)
    _control("-i", "on", pid)
    # What is counted is translated anew first.
    ask(WARM_UP)
    _control("-z", pid)
    ask(count)
    before = set(folder.glob(f"counted.{pid}.*"))
    _control("-d", pid)
    _control("-i", "off", pid)
    dumps = set(folder.glob(f"counted.{pid}.*")) - before
    return max((_for_each(dump, count) for dump in dumps), key=Counter.total)


def _for_each(dump: Path, count: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, total in counted(dump.read_text(errors="replace")).items():
        found[Path(name).name] += total // count
    return found


def _control(*arguments: str | int) -> None:
    command = ["callgrind_control", *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=_CONTROL_WITHIN_S)


def counted(dump: str) -> Counter[str]:
    """Of a file in callgrind's format: what each object's own lines cost, without what they call."""
    names: dict[str, str] = {}
    found: Counter[str] = Counter()
    here = ""
    is_call = False
    for line in dump.splitlines():
        kind, _, value = line.partition("=")
        if kind in ("ob", "cob"):
            name = _name(names, value)
            here = name if kind == "ob" else here
        elif kind == "calls":
            is_call = True
        elif line[:1].isdecimal() or line[:1] in ("+", "-", "*"):
            # The line behind `calls` is what the called function cost, with all below it.
            found[here] += 0 if is_call else int([*line.split(), "0"][1])
            is_call = False
    return found


def _name(names: dict[str, str], value: str) -> str:
    """A name stands in full where it comes first, and is a number from then on."""
    entry = _ENTRY.fullmatch(value)
    if entry is None:
        return value
    if entry["name"] is not None:
        names[entry["id"]] = entry["name"]
    return names[entry["id"]]


def ask(port: int, request: bytes, count: int, status: int | None = None, *, address: str = "127.0.0.1") -> None:
    """The same request so many times, one after the other, on one connection; without a `status` any is right."""
    rest = b""
    with socket.create_connection((address, port), timeout=_CONTROL_WITHIN_S) as connection:
        for _ in range(count):
            connection.sendall(request)
            head, rest = _until(connection, rest, b"\r\n\r\n")
            if status is not None and head.split(b" ", 2)[1] != str(status).encode():
                raise RuntimeError(f"answered by {head.splitlines()[0].decode()}, not by {status}")
            length = _LENGTH.search(head)
            wanted = int(length[1]) if length else 0
            while len(rest) < wanted:
                rest += _received(connection)
            rest = rest[wanted:]


def _until(connection: socket.socket, begun: bytes, end: bytes) -> tuple[bytes, bytes]:
    while end not in begun:
        begun += _received(connection)
    head, _, rest = begun.partition(end)
    return head, rest


def _received(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise RuntimeError("the connection was closed in the middle of an answer")
    return received
