"""The event loop of processes that talk to a Kubernetes API, whose server may vanish at any moment."""

import asyncio
import contextlib
import ctypes
import logging
from typing import Any, Final

import uvloop

log = logging.getLogger(__name__)

# uvloop's words for a TLS connection whose peer is gone while bytes are still under way.
_LOST: Final = "Fatal error on SSL protocol"

_M_MMAP_THRESHOLD: Final = -3
_LARGE: Final = 128 * 1024


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An uvloop that reports a lost connection in one line; whoever used the connection handles the loss itself."""
    _give_back_large_buffers()
    loop = uvloop.new_event_loop()
    loop.set_exception_handler(_report)
    return loop


def _give_back_large_buffers() -> None:
    """For the whole process. A TLS connection has a buffer of 256 KiB, of which only what ever came at once is touched.

    The C library takes such buffers from its heap as soon as one has been freed. There they get pages that others have
    used, so that a process with many watches would grow for hours, until all of each buffer is in memory.
    """
    # Other C libraries than glibc have no such function, and no such habit.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if context.get("message") == _LOST:
        log.info("connection.lost", extra={"fields": {"reason": str(context.get("exception"))}})
    else:
        loop.default_exception_handler(context)
