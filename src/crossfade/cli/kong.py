"""`crossfade kong`: what charts call the program `kong` for, in the container of a gateway's proxy (kong.md §1)."""

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

from crossfade import __version__

_POLL_S: Final = 0.05
_QUIT_S: Final = 10.0
_NOT_RUNNING: Final = "Kong is not running at {prefix}"
_DEFAULT_PREFIX: Final = "/usr/local/kong"


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    kong = commands.add_parser("kong", help="end, or look after, the gateway of this container", description=__doc__)
    wanted = kong.add_subparsers(required=True, metavar="COMMAND")
    quit_ = wanted.add_parser("quit", help="let the gateway answer its last requests, and end it")
    quit_.add_argument("-w", "--wait", type=_seconds, default=0.0, metavar="S", help="before that (default 0)")
    quit_.add_argument(
        "-t", "--timeout", type=_seconds, default=_QUIT_S, metavar="S", help="for the last requests (default 10)"
    )
    stop = wanted.add_parser("stop", help="end the gateway")
    stop.set_defaults(wait=0.0, timeout=_QUIT_S)
    health = wanted.add_parser("health", help="say whether the gateway runs")
    version = wanted.add_parser("version", help="say what runs in Kong's place")
    for parser in (quit_, stop, health, version):
        parser.add_argument("-p", "--prefix", metavar="DIR", help="default: KONG_PREFIX")
        parser.add_argument("-c", "--conf", metavar="FILE", help="has no effect")
        parser.add_argument("-v", action="store_true", help=argparse.SUPPRESS)
        parser.add_argument("-vv", action="store_true", help=argparse.SUPPRESS)
    for parser, run in ((quit_, _quit), (stop, _quit), (health, _health), (version, _version)):
        parser.set_defaults(run=run)


def _quit(arguments: argparse.Namespace) -> int:
    """What still runs when the time is over is ended by the kubelet's own signal."""
    pid = _running(arguments)
    if pid is None:
        return _fail(arguments)
    deadline = time.monotonic() + arguments.wait
    while time.monotonic() < deadline and _running(arguments) == pid:
        time.sleep(_POLL_S)
    try:
        os.kill(pid, signal.SIGQUIT)
    except ProcessLookupError:
        print("Kong stopped (gracefully)")
        return 0
    deadline = time.monotonic() + arguments.timeout
    while _running(arguments) == pid:
        if time.monotonic() > deadline:
            print(f"Kong still answers requests after {arguments.timeout:g} s", file=sys.stderr)
            return 0
        time.sleep(_POLL_S)
    print("Kong stopped (gracefully)")
    return 0


def _health(arguments: argparse.Namespace) -> int:
    if _running(arguments) is None:
        return _fail(arguments)
    print(f"nginx.......running\n\nKong is healthy at {_prefix(arguments)}")
    return 0


def _version(_: argparse.Namespace) -> int:
    print(f"Crossfade {__version__}, in Kong's place")
    return 0


def _running(arguments: argparse.Namespace) -> int | None:
    from crossfade.proxy.pid_file import pid_file, running

    environment = {**os.environ, **({"KONG_PREFIX": arguments.prefix} if arguments.prefix else {})}
    return running(pid_file(environment))


def _fail(arguments: argparse.Namespace) -> int:
    print(f"Error: {_NOT_RUNNING.format(prefix=_prefix(arguments))}", file=sys.stderr)
    return 1


def _prefix(arguments: argparse.Namespace) -> Path:
    return Path(arguments.prefix or os.environ.get("KONG_PREFIX") or _DEFAULT_PREFIX)


def _seconds(text: str) -> float:
    if not (text.isascii() and text.isdecimal() and len(text) <= 7):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of seconds")
    return float(text)
