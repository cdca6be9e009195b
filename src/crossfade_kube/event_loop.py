"""The event loop of processes that talk to a Kubernetes API, whose server may vanish at any moment."""

import asyncio
import logging
from typing import Any, Final

import uvloop

log = logging.getLogger(__name__)

# uvloop's words for a TLS connection whose peer is gone while bytes are still under way.
_LOST: Final = "Fatal error on SSL protocol"


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An uvloop that reports a lost connection in one line; whoever used the connection handles the loss itself."""
    loop = uvloop.new_event_loop()
    loop.set_exception_handler(_report)
    return loop


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if context.get("message") == _LOST:
        log.info("connection.lost", extra={"fields": {"reason": str(context.get("exception"))}})
    else:
        loop.default_exception_handler(context)
