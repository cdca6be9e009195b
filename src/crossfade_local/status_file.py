"""What the node says of the cluster, in a file that is written again when the disk has been full."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from crossfade_kube.meta import JsonObject

log = logging.getLogger(__name__)

_RETRY_S: Final = 5.0


class StatusFile:
    """Writes what was noted last. A failure is logged once, and so is the end of it: nothing ends for such a file."""

    def __init__(self, write: Callable[[JsonObject], None], *, retry_s: float = _RETRY_S) -> None:
        self._write: Final = write
        self._retry_s: Final = retry_s
        self._retry: asyncio.TimerHandle | None = None

    def note(self, status: JsonObject) -> None:
        failed = self._retry is not None
        if self._retry:
            self._retry.cancel()
        try:
            self._write(status)
        except OSError as error:
            if not failed:
                log.warning("node.status_not_written", extra={"fields": {"reason": error}})
            self._retry = asyncio.get_running_loop().call_later(self._retry_s, self.note, status)
        else:
            if failed:
                log.info("node.status_written_again")
            self._retry = None
