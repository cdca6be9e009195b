"""`crossfade explain REQUEST_ID`: what has become of a request that was made."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossfade.observe.pages import Found


def run(arguments: argparse.Namespace) -> int:
    import asyncio

    from crossfade.observe.door import NothingThere
    from crossfade.observe.pages import LONGEST_ID, SHORTEST_ID
    from crossfade.observe.places import ClusterFailed
    from crossfade.observe.sockets import NoGateway
    from crossfade_kube.errors import KubeError

    (request_id,) = arguments.asked
    if not SHORTEST_ID <= len(request_id) <= LONGEST_ID:
        return _fail(
            f"{request_id!r} is no id of a request: these have {SHORTEST_ID} to {LONGEST_ID} characters\n"
            "hint: what would become of a request is asked with METHOD and URL: explain GET http://HOST/PATH -f …",
            2,
        )
    try:
        found = asyncio.run(_found(arguments, request_id))
    except (NothingThere, NoGateway, ClusterFailed, KubeError, OSError) as error:
        return _fail(str(error), 1)
    if not found.hops:
        return _fail(_nothing(request_id, found), 1)
    _print(found, arguments.output)
    return 0


async def _found(arguments: argparse.Namespace, request_id: str) -> "Found":
    from crossfade.cli.watched import watched
    from crossfade.observe.asking import asked

    of = [("namespace", arguments.namespace)] if arguments.namespace else []
    async with watched(arguments, arguments.namespace) as those:
        found, missing = await asked(those.doors, [*of, ("id", request_id)])
        ids = _ids_of(found, request_id)
        if ids != [request_id]:
            # On its way it was called otherwise.
            found, missing = await asked(those.doors, [*of, *(("id", one) for one in ids)])
    for one in missing:
        _fail(str(one), 1)
    return found


def _ids_of(found: "Found", request_id: str) -> list[str]:
    from crossfade.observe.pages import MOST_IDS, SHORTEST_ID

    ids = sorted({one for hop in found.hops for one in hop.record.ids if len(one) >= SHORTEST_ID} - {request_id})
    return [request_id, *ids][:MOST_IDS]


def _nothing(request_id: str, found: "Found") -> str:
    if not found.kept:
        return f"no request is remembered here at all: {request_id} may have gone through another gateway"
    return (
        f"{request_id} is not among the {found.kept} requests that are remembered: it was more than"
        f" {found.oldest_s / 60:.0f} minutes ago, went through another gateway, or was one of so many in a second that"
        " not all could be told of\nhint: make it again while `crossfade tap` runs, which lets proxies tell of more"
    )


def _print(found: "Found", output: str) -> None:
    from crossfade.observe.hops import hop_lines
    from crossfade.observe.words import json_text

    if output == "json":
        print(json_text(found.hops, indent=2))
        return
    for line in hop_lines(found.hops):
        print(line)


def _fail(text: str, code: int) -> int:
    from crossfade.observe.words import shown_lines

    print(f"crossfade explain: {shown_lines(text)}", file=sys.stderr)
    return code
