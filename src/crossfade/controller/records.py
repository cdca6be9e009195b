"""Where a controller shows records of requests: on its pod's loopback, where only a port-forward leads."""

import asyncio
from collections.abc import Mapping
from typing import Final

from crossfade.observe.pages import RecordPages, served
from crossfade.observe.places import CLUSTER_PORT
from crossfade_kube.logging import EventLog

_VARIABLE: Final = "CROSSFADE_RECORDS_PORT"
_LOOPBACK: Final = "127.0.0.1"


def records_port(environ: Mapping[str, str]) -> int:
    """0: proxies tell of no requests. Raises ValueError."""
    text = environ.get(_VARIABLE) or str(CLUSTER_PORT)
    if text == "off":
        return 0
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 65536):
        raise ValueError(f"{_VARIABLE} is {text!r}: it must be a port, or off")
    return int(text)


async def shown_records(pages: RecordPages, port: int, log: EventLog) -> None:
    """Until cancelled. A port that is taken costs the records, not the controller."""
    try:
        async with served(pages, address=(_LOOPBACK, port)):
            await asyncio.Event().wait()
    except OSError as error:
        log.warning("records.not-shown", port=port, reason=error, effect="`crossfade tap` sees nothing of this pod")
        await asyncio.Event().wait()
