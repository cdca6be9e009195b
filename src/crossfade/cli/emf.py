"""`crossfade emf`: what proxies count, as metrics of CloudWatch."""

import argparse
import asyncio
import re
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from crossfade.cli.clusters import add_cluster_options
from crossfade.cli.proxies import add_status_option, exit_code, failed, proxies, say, tell_failed, time_option

if TYPE_CHECKING:
    from crossfade.cli.proxies import Source
    from crossfade.observe.emf import Emf
    from crossfade.observe.emf_place import Place
    from crossfade.observe.scrape import Reading, Sampled

_EVERY_S: Final = 60.0
_NAMESPACE: Final = re.compile(r"[A-Za-z0-9._/#:-]{1,255}", re.ASCII)
_EPILOG: Final = """\
A line has the counts of the time since the line before. It goes on until it is ended (SIGTERM), and writes what was
counted until then; a place that does not take the lines, and a cluster that does not answer, cost the lines of that
time.

exit codes:
  0  ended, or written once
  1  no proxy could be read, or the lines could not be written, with --once or --total
  2  wrong usage

examples:
  crossfade emf -A --to tcp://127.0.0.1:25888 --log-group /crossfade/metrics
  crossfade emf -A --dimension ClusterName=prod --dimension Mesh=howto
  crossfade emf --status http://127.0.0.1:8100 --total
"""


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    emf = commands.add_parser(
        "emf",
        help="write what proxies count as metrics of CloudWatch",
        description="Reads what gateways and sidecars count, and writes it as lines of CloudWatch's embedded metric"
        " format: requests, statuses, failures and durations of routes and virtual nodes, and what plugins refused.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_cluster_options(emf)
    add_status_option(emf)
    emf.add_argument(
        "--to",
        metavar="PLACE",
        default="stdout",
        help="stdout, or CloudWatch's agent as tcp://HOST:25888 or udp://HOST:25888; default: stdout",
    )
    emf.add_argument("--log-group", metavar="NAME", default="", help="that lines belong to; the agent needs it")
    emf.add_argument(
        "--metrics-namespace", metavar="NAME", type=_namespace, default="Crossfade", help="default: Crossfade"
    )
    emf.add_argument(
        "--dimension",
        metavar="NAME=VALUE",
        type=_dimension,
        action="append",
        default=[],
        help="of every metric besides; may be repeated",
    )
    span = emf.add_mutually_exclusive_group()
    span.add_argument("--every", metavar="TIME", type=time_option, default=_EVERY_S, help="like 30s; default: 1m")
    span.add_argument("--total", action="store_true", help="all since the proxies' start, once")
    emf.add_argument("--once", action="store_true", help="end after the first lines")
    emf.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return exit_code("emf", arguments, _written)


async def _written(arguments: argparse.Namespace) -> int:
    from crossfade.observe.emf import MOST_OWN_DIMENSIONS, Emf
    from crossfade.observe.emf_place import place_of
    from crossfade.observe.scrape import between, read, since_start

    place = place_of(arguments.to)
    if place.host and not arguments.log_group:
        raise ValueError("CloudWatch's agent takes no line without a log group: say which with --log-group NAME")
    if len(arguments.dimension) > MOST_OWN_DIMENSIONS:
        raise ValueError(f"--dimension can be given {MOST_OWN_DIMENSIONS} times at most")
    emf = Emf(arguments.metrics_namespace, arguments.log_group, tuple(arguments.dimension))
    async with proxies(arguments) as source:
        if arguments.total:
            return await _once(since_start(await read(await source.targets(), source.fetch)), emf, place)
        ended = asyncio.Event()
        if not arguments.once:
            # The first process of a container is not ended by a signal that it does not handle.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        first = await _read(source, repeats=not arguments.once)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(arguments.every):
                    await ended.wait()
            second = await _read(source, repeats=not arguments.once)
            if first is not None and second is not None:
                sample = between(first, second)
                if arguments.once:
                    return await _once(sample, emf, place)
                await _try(sample, emf, place)
            if ended.is_set():
                return 0
            first = second or first


async def _read(source: "Source", *, repeats: bool) -> "Reading | None":
    """None: the cluster does not answer, which is told. Raises that where it is not asked again."""
    from crossfade.observe.scrape import ProxyFailed, read
    from crossfade_kube.errors import KubeError

    try:
        return await read(await source.targets(), source.fetch)
    except (KubeError, ProxyFailed) as problem:
        if not repeats:
            raise
        say("emf", f"{problem}; asked again")
        return None


async def _once(sample: "Sampled", emf: "Emf", place: "Place") -> int:
    """Raises OSError."""
    tell_failed("emf", sample.failed)
    if not sample.pages:
        return failed("emf", "no proxy could be read", 1)
    await _write(sample, emf, place)
    return 0


async def _try(sample: "Sampled", emf: "Emf", place: "Place") -> None:
    tell_failed("emf", sample.failed)
    try:
        await _write(sample, emf, place)
    except OSError as problem:
        say("emf", f"{place} has not taken the lines of this time: {problem or type(problem).__name__}")


async def _write(sample: "Sampled", emf: "Emf", place: "Place") -> None:
    from crossfade.observe.emf import emf_lines
    from crossfade.observe.emf_place import write

    lines = list(emf_lines(sample, emf, at_ms=time.time_ns() // 1_000_000))
    if lines:
        await write(place, lines)


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text) or text.startswith("AWS/"):
        raise argparse.ArgumentTypeError(f"{text!r} is no namespace of CloudWatch's that others may write to")
    return text


def _dimension(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not (name.isascii() and name.isprintable() and name.strip() and not name.startswith(":") and value.strip()):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name.strip(), value.strip()
