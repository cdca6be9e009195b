"""Samples of what proxies count, for commands that show them: where they are, how long to wait, what is missing."""

import argparse
import asyncio
import re
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from crossfade.cli.clusters import cluster_config, namespaces_of
from crossfade.cli.render import progress

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from crossfade.observe.scrape import Fetch, Sampled
    from crossfade.observe.targets import Target
    from crossfade_kube.meta import JsonObject

_WINDOW_S: Final = 10.0
_SHORTEST_S: Final = 0.5
_LONGEST_S: Final = 86_400.0
_SILENT_S: Final = 1.0
_MOST_NAMED: Final = 3
_TIME: Final = re.compile(r"(\d{1,5}(?:\.\d{1,3})?)(ms|s|m|h)", re.ASCII)
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class NoProxies(Exception):  # noqa: N818 - says what is missing, to people
    """There is nothing to read; the text says why and what to do."""


class Source(NamedTuple):
    """`targets` lists the proxies anew; `pods` are those that this found. `where` names the only namespace asked."""

    targets: "Callable[[], Awaitable[Sequence[Target]]]"
    fetch: "Fetch"
    pods: "Sequence[JsonObject]" = ()
    where: str = ""


def add_status_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--status",
        metavar="URL",
        action="append",
        help="a gateway outside of a cluster, where KONG_STATUS_LISTEN or its Admin API listens; may be repeated",
    )


def add_window_options(parser: argparse.ArgumentParser) -> None:
    span = parser.add_mutually_exclusive_group()
    span.add_argument(
        "--window", metavar="TIME", type=time_option, default=_WINDOW_S, help="like 30s or 1m; default: 10s"
    )
    span.add_argument("--total", action="store_true", help="all since the proxies' start, as numbers of requests")


def misused(arguments: argparse.Namespace) -> str | None:
    """What options say against each other."""
    if arguments.status and (arguments.namespace or arguments.all_namespaces or arguments.kubeconfig):
        return "--status asks one gateway, outside of a cluster: leave -n, -A and --kubeconfig out"
    if arguments.total and getattr(arguments, "watch", False):
        return "--total is of one moment: leave --watch out"
    return None


def time_option(text: str) -> float:
    match = _TIME.fullmatch(text)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no time like 10s, 1m or 1h, from 500ms to 24h")
    return seconds


@asynccontextmanager
async def proxies(
    arguments: argparse.Namespace, *, with_consumers: bool = False, everywhere: bool = False
) -> AsyncIterator[Source]:
    """Of the namespaces that the arguments name, or `everywhere`. Raises KubeError, ValueError for no address."""
    if arguments.status:
        import aiohttp

        from crossfade.observe.urls import UrlPages, target_of

        given = [target_of(url, with_consumers=with_consumers) for url in arguments.status]
        async with aiohttp.ClientSession(trust_env=False) as session:
            yield Source(_always(given), UrlPages(session).fetch)
        return
    from crossfade import __version__
    from crossfade.observe.pods import PodPages
    from crossfade_kube.client import Client

    config = cluster_config(arguments)
    namespaces = () if everywhere else namespaces_of(arguments, config)
    where = f"namespace {', '.join(namespaces)}" if namespaces else ""
    async with Client(config, user_agent=f"crossfade/{__version__}") as client:
        pages = PodPages(client)
        yield Source(lambda: pages.targets(namespaces, with_consumers=with_consumers), pages.fetch, pages.pods, where)


def _always(targets: "Sequence[Target]") -> "Callable[[], Awaitable[Sequence[Target]]]":
    async def found() -> "Sequence[Target]":
        return targets

    return found


async def samples(source: Source, arguments: argparse.Namespace) -> "AsyncGenerator[Sampled, None]":
    """One, or with `--watch` one after each window. Raises NoProxies, and what listing raises."""
    from crossfade.observe.scrape import between, read, since_start

    targets = await _found(source)
    if arguments.total:
        with _shown("reading proxies", None):
            reading = await read(targets, source.fetch)
        yield since_start(reading)
        return
    watches = getattr(arguments, "watch", False)
    with _shown(f"watching {_counted(targets)} for {arguments.window:g} s", arguments.window):
        first = await read(targets, source.fetch)
        await asyncio.sleep(arguments.window if first.pages else 0)
        second = await read(targets, source.fetch)
    yield between(first, second)
    while watches:
        first = second
        await asyncio.sleep(arguments.window)
        second = await read(await source.targets(), source.fetch)
        yield between(first, second)


async def _found(source: Source) -> "Sequence[Target]":
    targets = await source.targets()
    if not targets:
        elsewhere = "\nhint: -n names another namespace, -A asks all of them" if source.where else ""
        raise NoProxies(f"there is no gateway and no sidecar in {source.where or 'any namespace'}{elsewhere}")
    silent = [target.name for target in targets if target.does_not_count]
    if silent:
        print(
            f"{named(silent)} do not count requests: CROSSFADE_MESH_METRICS=off in their environment", file=sys.stderr
        )
    return targets


def _counted(targets: "Sequence[Target]") -> str:
    return f"{len(targets)} {'proxy' if len(targets) == 1 else 'proxies'}"


def _shown(what: str, window_s: float | None) -> "AbstractContextManager[None]":
    """Nobody wonders in less time."""
    return progress(what) if window_s is not None and window_s > _SILENT_S else nullcontext()


def tell_failed(command: str, failed: Mapping[str, str]) -> None:
    """Those that fail alike on one line."""
    alike: dict[str, list[str]] = {}
    for name, why in failed.items():
        alike.setdefault(why, []).append(name)
    for why, names in alike.items():
        say(command, f"{named(names)}: {why}")


def named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(sorted(names)[:_MOST_NAMED]) + more


def exit_code(
    command: str, arguments: argparse.Namespace, shown: Callable[[argparse.Namespace], Coroutine[Any, Any, int]]
) -> int:
    """Of a command that reads proxies and shows what it read; what goes wrong is told to people."""
    from crossfade.observe.scrape import ProxyFailed
    from crossfade_kube.errors import KubeError

    try:
        if problem := misused(arguments):
            return failed(command, problem, 2)
        return asyncio.run(shown(arguments))
    except BrokenPipeError:
        raise
    except (KubeError, OSError, NoProxies, ProxyFailed) as problem:
        return failed(command, str(problem), 1)
    except ValueError as problem:
        return failed(command, str(problem), 2)


def failed(command: str, text: str, code: int) -> int:
    say(command, text)
    return code


def say(command: str, text: str) -> None:
    """To people; what others wrote does not reach their terminal as it is."""
    from crossfade.observe.words import shown_lines

    print(f"crossfade {command}: {shown_lines(text)}", file=sys.stderr, flush=True)
