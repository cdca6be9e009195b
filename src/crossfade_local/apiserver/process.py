"""The process of an API server over a data directory.

Prints one line on stdout: `ready` when it serves; before it ends for a known reason `unusable` (it never can with this
state) or `failed` (it may when started again), with the reason. Ends on SIGTERM and SIGINT.
"""

import argparse
import asyncio
import contextlib
import gc
import os
import signal
import socket
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NoReturn

from crossfade_kube.event_loop import new_event_loop
from crossfade_kube.logging import EventLog, configure
from crossfade_kube.tasks import SupervisedTasks
from crossfade_local.apiserver.api import utc_now
from crossfade_local.apiserver.aside import THREADS
from crossfade_local.apiserver.assembly import Assembly
from crossfade_local.apiserver.bootstrap import make_builtin_objects
from crossfade_local.apiserver.housekeeping import forget_regularly
from crossfade_local.apiserver.security import pki
from crossfade_local.apiserver.server import HttpServer, tls_context
from crossfade_local.apiserver.startup import nothing_runs_any_more
from crossfade_local.apiserver.state.database import Synchronous
from crossfade_local.apiserver.state.format import UnusableStateError
from crossfade_local.apiserver.state.sealed_database import SealedDatabase
from crossfade_local.apiserver.state.storage import NotWritten

log = EventLog("crossfade_local.apiserver")

READY: Final = "ready"
UNUSABLE: Final = "unusable"
FAILED: Final = "failed"

_COLLECTED_EVERY: Final = 20_000
"""Containers: a large object is some hundred thousand, none of them garbage, and would be searched for it each 700."""


def main() -> None:
    """Expects the collector of circular garbage to rest: what a start makes stays."""
    arguments = _parser().parse_args()
    configure()
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(arguments, pki.ensure(arguments.data_dir / "pki")))
    except KeyboardInterrupt:
        pass
    except UnusableStateError as error:
        _give_up(UNUSABLE, str(error))
    except NotWritten as error:
        _give_up(FAILED, f"{arguments.data_dir}: {error}; free some space there")
    except sqlite3.DatabaseError as error:
        _give_up(FAILED, f"{arguments.data_dir / 'state.db'} cannot be used: {error}")
    except OSError as error:
        _give_up(FAILED, str(error))


def _give_up(word: str, reason: str) -> NoReturn:
    """On stdout for who started it, on stderr for people."""
    # A reader that is gone needs no answer.
    with contextlib.suppress(OSError):
        os.write(1, f"{word} {' '.join(reason.split())}\n".encode())
    sys.exit(reason)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="crossfade_local.apiserver")
    parser.add_argument("--data-dir", type=Path, required=True, help="keys, kubeconfig and state.db live here")
    parser.add_argument("--fd", type=int, action="append", default=[], help="an inherited listening socket")
    parser.add_argument("--listen", action="append", default=[], help="HOST:PORT to listen on; port 0 picks one")
    parser.add_argument(
        "--history",
        type=float,
        default=300,
        metavar="SECONDS",
        help="how far watches can go back, at least (default 300)",
    )
    parser.add_argument(
        "--synchronous",
        type=Synchronous,
        choices=tuple(Synchronous),
        default=Synchronous.NORMAL,
        help="whether an acknowledged write also survives a power cut (full) or the death of processes (normal)",
    )
    parser.add_argument(
        "--fresh-node", action="store_true", help="no container runs yet, whatever the state says of former ones"
    )
    parser.add_argument("--kubelet-socket", type=Path, help="where logs, exec and port-forward are answered")
    return parser


async def _serve(arguments: argparse.Namespace, keys: pki.Pki) -> None:
    data: Path = arguments.data_dir
    sockets = [socket.socket(fileno=number) for number in arguments.fd]
    sockets += [_listening(address) for address in arguments.listen or ([] if sockets else ["127.0.0.1:0"])]
    database = SealedDatabase(data / "state.db", synchronous=arguments.synchronous)
    assembly = Assembly(database, keys, arguments.kubelet_socket)
    server = HttpServer(assembly.api)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    chores: asyncio.Task[None] | None = None
    try:
        await make_builtin_objects(assembly.storage, assembly.registry, utc_now())
        if arguments.fresh_node:
            await nothing_runs_any_more(assembly.storage, utc_now())
        assembly.lifecycle.resume()
        gc.freeze()
        gc.set_threshold(_COLLECTED_EVERY)
        gc.enable()
        await server.start(sockets, tls_context(keys))
        pki.write_kubeconfig(data / "kubeconfig", keys, server=_url(sockets[0]))
        chores = loop.create_task(_do_chores(assembly, history_s=arguments.history), name="chores")
        os.write(1, f"{READY}\n".encode())
        await stop.wait()
    finally:
        if chores is not None:
            chores.cancel()
            await asyncio.gather(chores, return_exceptions=True)
        await server.close()
        await assembly.close()


async def _do_chores(assembly: Assembly, *, history_s: float) -> None:
    async with SupervisedTasks(log) as tasks:
        tasks.start("forget old revisions", lambda: forget_regularly(assembly.api, history_s))
        tasks.start("aggregate roles", assembly.roles.run)
        tasks.start("count quotas", assembly.quotas.run)
        tasks.start("check policies", assembly.policies.run)


def _listening(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=512)


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "127.0.0.1") else host
    return f"https://[{shown}]:{port}" if ":" in shown else f"https://{shown}:{port}"
