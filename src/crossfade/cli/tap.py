"""`crossfade tap`: requests as they happen."""

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from crossfade.observe.pages import TapEnd
    from crossfade.observe.record import Record

_LONGEST_S: Final = 60.0
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
    tap.add_argument("target", nargs="*", metavar="TARGET", help="`route NAME`: one of the gateway's")
    tap.add_argument("--code", action="append", default=[], type=_code, metavar="5xx|429", help="may be repeated")
    tap.add_argument("--method", default="", help="as GET")
    tap.add_argument("--path", default="", metavar="PATTERN", help="with * and ?, without the query")
    tap.add_argument("--consumer", default="", metavar="NAME", help="whose requests")
    tap.add_argument("--max-rps", type=_rate, default=20, metavar="N", help="show no more a second (default: 20)")
    tap.add_argument(
        "--for", type=_seconds, default=_LONGEST_S, dest="for_s", metavar="TIME", help="at most, and by default, 60s"
    )
    tap.add_argument("--gateway", metavar="PID", type=int, help="of `crossfade gateway run`, where several run")
    tap.add_argument("--output", choices=("text", "json"), default="text", help="default: %(default)s")
    tap.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    import asyncio
    import os

    from crossfade.observe.asking import NothingThere
    from crossfade.observe.sockets import NoGateway, chosen_socket

    query = _query(arguments)
    if query is None:
        return _fail("name what to watch as `route NAME`", 2)
    try:
        asyncio.run(_watch(chosen_socket(os.environ, arguments.gateway), query, arguments.output))
    except (NothingThere, NoGateway, OSError) as error:
        return _fail(str(error), 1)
    return 0


def _query(arguments: argparse.Namespace) -> list[tuple[str, str]] | None:
    match arguments.target:
        case []:
            named = []
        case ["route", name]:
            named = [("route", name)]
        case _:
            return None
    given = (("method", arguments.method), ("path", arguments.path), ("consumer", arguments.consumer))
    return [
        *named,
        *(("code", code) for code in arguments.code),
        *((name, value) for name, value in given if value),
        ("max_rps", str(arguments.max_rps)),
        ("for", str(arguments.for_s)),
    ]


async def _watch(socket: Path, query: list[tuple[str, str]], output: str) -> None:
    from crossfade.observe.asking import tapped
    from crossfade.observe.pages import TapBegin, TapEnd, TapRecord

    async for line in tapped(socket, query):
        match line:
            case TapBegin():
                _say("watching")
            case TapRecord():
                _print(line.record, output)
            case TapEnd():
                _say(_summary(line))


def _summary(end: "TapEnd") -> str:
    if not end.seen:
        return "no request came"
    left_out = f", {end.left_out} of these left out: see more with --max-rps, or ask for less" if end.left_out else ""
    return f"saw {end.seen} requests{left_out}"


def _print(record: "Record", output: str) -> None:
    import msgspec

    from crossfade.observe.lines import lines_of

    if output == "json":
        print(msgspec.json.encode(record).decode(), flush=True)
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
    print(f"crossfade tap: {text}", file=sys.stderr, flush=True)
