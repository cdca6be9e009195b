"""Where a controller shows records of requests: on its pod's address, to who may see them."""

import asyncio
from collections.abc import Mapping
from typing import Final

from crossfade.controller.record_access import RecordAccess
from crossfade.observe.access import CLUSTER_PORT
from crossfade.observe.pages import RecordPages, served
from crossfade.observe.places import PORT_VARIABLE
from crossfade_kube.client import Client
from crossfade_kube.logging import EventLog

_EVERYWHERE: Final = "0.0.0.0"


def records_port(environ: Mapping[str, str]) -> int:
    """0: proxies tell of no requests. Raises ValueError."""
    text = environ.get(PORT_VARIABLE) or str(CLUSTER_PORT)
    if text == "off":
        return 0
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:6]) < 65536):
        raise ValueError(f"{PORT_VARIABLE} is {text!r}: it must be a port, or off")
    return int(text)


async def shown_records(pages: RecordPages, client: Client, port: int, log: EventLog) -> None:
    """Until cancelled. A port that is taken costs the records, not the controller."""
    try:
        async with served(pages, address=(_EVERYWHERE, port), admit=RecordAccess(client).admit):
            await asyncio.Event().wait()
    except OSError as error:
        log.warning("records.not-shown", port=port, reason=error, effect="`crossfade tap` sees nothing of this pod")
        await asyncio.Event().wait()
