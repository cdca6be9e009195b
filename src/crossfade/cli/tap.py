"""`crossfade tap`: requests as they happen."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from crossfade.cli.proxies import named
from crossfade.cli.watched import KUBECONFIG_HELP, add_watched_options

if TYPE_CHECKING:
    from crossfade.cli.watched import Watched
    from crossfade.observe.record import Record

_LONGEST_S: Final = 60.0
_KINDS: Final = {"deploy": "deployment", "deployment": "deployment", "pod": "pod", "vn": "vn", "virtualnode": "vn"}
_EPILOG: Final = """\
exit codes:
  0  watched to the end
  1  there is nothing to watch, or it went away
  2  wrong usage

examples:
  crossfade tap
  crossfade tap --code 5xx --code 429
  crossfade tap --path '/dj/*' --method GET --for 10s --output json
  crossfade tap route default.web.web..80
  crossfade tap deploy/dj -n prod --code 5xx
"""


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    tap = commands.add_parser(
        "tap",
        help="show requests as they happen",
        description="Shows requests as they happen, one line each, with who answered and why. No body, no query and no"
        " header leaves the proxy but ids.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    tap.add_argument(
        "target",
        nargs="*",
        metavar="TARGET",
        help="`route NAME` of a gateway; in a cluster deploy/NAME, pod/NAME, or vn/NAME: what they call and are asked",
    )
    tap.add_argument(
        "-n",
        "--namespace",
        default="",
        help="requests from or to it, which takes the right to see those of this namespace only; also the target's",
    )
    tap.add_argument("--kubeconfig", metavar="FILE", type=Path, help=KUBECONFIG_HELP)
    tap.add_argument("--code", action="append", default=[], type=_code, metavar="5xx|429", help="may be repeated")
    tap.add_argument("--method", default="", help="as GET")
    tap.add_argument("--path", default="", metavar="PATTERN", help="with * and ?, without the query")
    tap.add_argument("--consumer", default="", metavar="NAME", help="whose requests")
    tap.add_argument("--max-rps", type=_rate, default=20, metavar="N", help="show no more a second (default: 20)")
    tap.add_argument(
        "--for", type=_seconds, default=_LONGEST_S, dest="for_s", metavar="TIME", help="at most, and by default, 60s"
    )
    add_watched_options(tap)
    tap.add_argument("--output", choices=("text", "json"), default="text", help="default: %(default)s")
    tap.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import asyncio

    from crossfade.observe.door import NothingThere
    from crossfade.observe.places import ClusterFailed
    from crossfade.observe.sockets import NoGateway
    from crossfade_kube.errors import KubeError

    usage = _wrong_usage(arguments)
    if usage:
        return _fail(usage, 2)
    try:
        return asyncio.run(_watch(arguments))
    except BrokenPipeError:
        raise
    except (NothingThere, NoGateway, ClusterFailed, KubeError, OSError) as error:
        return _fail(str(error), 1)


def _wrong_usage(arguments: argparse.Namespace) -> str:
    match arguments.target:
        case [] | ["route", _]:
            return ""
        case [one] if one.partition("/")[0] in _KINDS and one.partition("/")[2]:
            return ""
    return "name what to watch as deploy/NAME, pod/NAME, vn/NAME or `route NAME`"


def _is_of_cluster(target: list[str]) -> bool:
    return len(target) == 1


def _namespace(arguments: argparse.Namespace) -> str:
    """Whose requests are asked for; empty: of all."""
    match arguments.target:
        case [one] if one.partition("/")[1]:
            return arguments.namespace or "default"
    return str(arguments.namespace)


async def _query(arguments: argparse.Namespace, watched: "Watched") -> list[tuple[str, str]]:
    """Raises ClusterFailed."""
    namespace = _namespace(arguments)
    named = [("namespace", namespace)] if namespace else []
    match arguments.target:
        case ["route", name]:
            named.append(("route", name))
        case [one]:
            kind, _, name = one.partition("/")
            named += await watched.named(_KINDS[kind], name, namespace)
    given = (("method", arguments.method), ("path", arguments.path), ("consumer", arguments.consumer))
    return [
        *named,
        *(("code", code) for code in arguments.code),
        *((name, value) for name, value in given if value),
        ("max_rps", str(arguments.max_rps)),
        ("for", str(arguments.for_s)),
    ]


async def _watch(arguments: argparse.Namespace) -> int:
    """The exit code."""
    from contextlib import aclosing

    from crossfade.cli.watched import watched
    from crossfade.observe.asking import tapped
    from crossfade.observe.door import NothingThere
    from crossfade.observe.pages import TapBegin, TapEnd, TapRecord

    waits_for, begun, shown, ends = set[str](), False, 0, list[TapEnd]()
    async with watched(arguments, _namespace(arguments), in_cluster=_is_of_cluster(arguments.target)) as found:
        query = await _query(arguments, found)
        waits_for.update(door.name for door in found.doors)
        async with aclosing(tapped(found.doors, query)) as lines:
            async for door, line in lines:
                match line:
                    case TapBegin():
                        begun = True
                    case TapRecord():
                        shown += 1
                        _print(line.record, arguments.output)
                    case TapEnd():
                        ends.append(line)
                    case NothingThere():
                        _say(str(line))
                if door.name in waits_for:
                    waits_for.remove(door.name)
                    if begun and not waits_for:
                        _say(f"watching {named([door.name for door in found.doors])}")
    if not ends:
        return 1
    _say(_summary(sum(one.seen for one in ends), shown, sum(one.left_out for one in ends)))
    return 0


def _summary(seen: int, shown: int, left_out: int) -> str:
    """What was seen and not shown was not asked for, or too much."""
    if not seen:
        return "no request came"
    rest = f", left {left_out} out: see more with --max-rps, or ask for less" if left_out else ""
    return f"saw {seen} {'request' if seen == 1 else 'requests'}, showed {shown or 'none'}{rest}"


def _print(record: "Record", output: str) -> None:
    from crossfade.observe.lines import lines_of
    from crossfade.observe.words import json_text

    if output == "json":
        print(json_text(record), flush=True)
        return
    for line in lines_of(record):
        print(line, flush=True)


def _code(text: str) -> str:
    if re.fullmatch(r"[1-5](xx|\d\d)", text.lower()) is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no status like 429, and no class of them like 5xx")
    return text.lower()


def _rate(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1000:
        raise argparse.ArgumentTypeError("give a number from 1 to 1000")
    return int(text)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,3})(s|m)?", text)
    seconds = float(match[1]) * (60 if match[2] == "m" else 1) if match else 0.0
    if not 0 < seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError("give a time from 1s to 60s")
    return seconds


def _fail(text: str, code: int) -> int:
    _say(text)
    return code


def _say(text: str) -> None:
    from crossfade.observe.words import shown_lines

    print(f"crossfade tap: {shown_lines(text)}", file=sys.stderr, flush=True)
