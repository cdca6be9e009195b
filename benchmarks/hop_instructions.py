"""How many instructions a request takes in two sidecars, without counting it, by the library and by Envoy's own log.

    python -m benchmarks.hop_instructions [--requests 400]

Needs valgrind; the kernel's share is not counted, and no load disturbs it. Takes about four minutes.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final
from unittest.mock import patch

from benchmarks.callgrind import ask, instructions, missing_tools, program
from benchmarks.mesh_hop import application
from tests.support import carried, envoy
from tests.support.carried import CLIENT, HOST, SERVER, CarriedPair, carried_pair

from crossfade.proxy import envoy_command

LIBRARY: Final = "libcrossfade_counts"
_WITHIN_S: Final = 240.0
_REQUEST: Final = f"GET / HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()


@asynccontextmanager
async def counted_pair(folder: Path, *, has_library: bool) -> AsyncIterator[CarriedPair]:
    """Behind them an application that answers at once."""
    patient = partial(envoy.until, within_s=_WITHIN_S)
    with (
        patch.object(envoy_command, "envoy_binary", lambda: program(folder)),
        patch.object(envoy, "preload", lambda _: {}),
        patch.object(carried, "until", patient),
    ):
        async with carried_pair(folder, has_library=has_library) as pair:
            yield pair


async def of_pair(pair: CarriedPair, folder: Path, protocol: str, requests: int, *, counts: bool) -> Counter[str]:
    """Per request, both proxies together."""
    pair.publish({SERVER: True}, asks=protocol == "http2")
    await pair.until_spoken(protocol)
    await pair.count_requests(counts=counts)
    send = partial(ask, pair.port, _REQUEST, status=200, address=CLIENT)
    found: Counter[str] = Counter()
    for pid in pair.pids:
        found += await asyncio.to_thread(instructions, pid, folder, send, requests)
    return found


async def measured(requests: int) -> AsyncIterator[str]:
    for has_library in (True, False):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            async with counted_pair(folder, has_library=has_library) as pair:
                await pair.close_app()
                with application(folder, pair.port):
                    for protocol in ("http1", "http2"):
                        for counts in (True, False) if has_library else (True,):
                            found = await of_pair(pair, folder, protocol, requests, counts=counts)
                            way = ("the library" if has_library else "Envoy's log") if counts else "nobody"
                            own = sum(count for one, count in found.items() if one.startswith(LIBRARY))
                            title = f"{protocol}, counted by {way}"
                            yield f"{title:30} {found.total():7} instructions, {own:4} of them the library's"


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400)
    options = parser.parse_args()
    if missing := missing_tools():
        print(f"missing: {', '.join(missing)}; install the Debian package valgrind", file=sys.stderr)
        return 1
    async for line in measured(options.requests):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
