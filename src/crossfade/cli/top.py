"""`crossfade top`: what goes through gateways and mesh right now, and who is turned away."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from crossfade.cli.clusters import add_cluster_options
from crossfade.cli.proxies import (
    add_status_option,
    add_window_options,
    exit_code,
    failed,
    proxies,
    samples,
    tell_failed,
)

if TYPE_CHECKING:
    from crossfade.observe.top import Subject, Top

_SUBJECTS: Final = ("routes", "nodes", "consumers")
_DIGITS: Final = 9
_EPILOG: Final = """\
Rates are of the time between two pages of each proxy. Success is the share that was neither answered with 5xx nor
left without an answer; P50 and P95 are milliseconds. `(others)` are callers outside the mesh, or of other namespaces.
Counters are read from the proxies themselves, through the API server's pods/proxy: no Prometheus is needed.

exit codes:
  0  shown, also where there was nothing to show
  1  no proxy could be read
  2  wrong usage

examples:
  crossfade top
  crossfade top routes --status http://127.0.0.1:8100 --total
  crossfade top nodes -n prod --watch
  crossfade top consumers -A --window 1m --output json
"""


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    top = commands.add_parser(
        "top",
        help="show rates, success and refusals of routes, nodes and consumers",
        description="Shows what goes through gateways and mesh: rate, success and latency of routes, of who asks whom"
        " in the mesh, and of consumers; and which plugin refuses how much.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("subject", nargs="?", choices=_SUBJECTS, help="default: routes and nodes")
    add_cluster_options(top)
    add_status_option(top)
    add_window_options(top)
    repeated = top.add_mutually_exclusive_group()
    repeated.add_argument("--once", action="store_true", help="the default")
    repeated.add_argument("--watch", action="store_true", help="again after each window, until Ctrl-C")
    top.add_argument("--limit", metavar="N", type=_limit, default=50, help="rows of a table, 0 for all; default: 50")
    top.add_argument("--output", choices=("text", "json"), default="text", help="default: %(default)s")
    top.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return exit_code("top", arguments, _shown)


async def _shown(arguments: argparse.Namespace) -> int:
    from crossfade.observe.top import top_of

    subjects: tuple[Subject, ...] = (arguments.subject,) if arguments.subject else ("routes", "nodes")
    async with proxies(arguments, with_consumers="consumers" in subjects) as source:
        told: dict[str, str] = {}
        async for sample in samples(source, arguments):
            tell_failed("top", {name: why for name, why in sample.failed.items() if told.get(name) != why})
            told = sample.failed
            if sample.pages:
                _print(top_of(sample, subjects, as_of=_now()), subjects, arguments)
            elif not arguments.watch:
                return failed("top", "no proxy could be read", 1)
    return 0


def _print(top: "Top", subjects: "Sequence[Subject]", arguments: argparse.Namespace) -> None:
    import msgspec

    from crossfade.observe.top import lines_of

    if arguments.output == "json":
        text = msgspec.json.encode(top)
        print((text if arguments.watch else msgspec.json.format(text, indent=2)).decode(), flush=True)
        return
    if arguments.watch and sys.stdout.isatty():
        print("\x1b[H\x1b[2J", end="")
    tables = [list(lines_of(top, subject, limit=arguments.limit)) for subject in subjects]
    shown = ["\n".join(lines) for lines in tables if lines]
    print("\n\n".join(shown) or _nothing(top), flush=True)
    if arguments.watch and not sys.stdout.isatty():
        print(flush=True)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < _DIGITS):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows")
    return int(text)


def _nothing(top: "Top") -> str:
    when = "since the proxies have started" if top.window is None else f"in the last {top.window:.0f} s"
    return f"no requests {when}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
