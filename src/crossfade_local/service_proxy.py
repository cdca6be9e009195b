"""Keeps the node's address translation equal to the Services and endpoints of the API."""

import asyncio
import logging
import subprocess
from collections.abc import Callable
from typing import Final

from crossfade_kube.meta import NamespacedName
from crossfade_local.nft import render_table
from crossfade_local.objects import ObjectIndex
from crossfade_local.pod_table import PodTable
from crossfade_local.service_table import ServiceTable, build_table

log = logging.getLogger(__name__)

# Changes come in bursts (a roll-out); one replacement of the table takes about as long.
_COALESCE_S: Final = 0.02
_RETRY_S: Final = 1.0


class ServiceProxy:
    """`services`, `slices` and `pods` are sinks for reflectors; `table` is the current join, for DNS and relays too."""

    def __init__(self, *, on_change: Callable[[ServiceTable], None]) -> None:
        self._dirty = asyncio.Event()
        self.services = ObjectIndex(self._note)
        self.slices = ObjectIndex(self._note)
        self.pods = PodTable(self._dirty.set)
        self.table: ServiceTable = {}
        self._on_change = on_change
        self._stale = True

    def current(self) -> ServiceTable:
        """Always up to date, also between two replacements of the rules."""
        if self._stale:
            self.table = build_table(self.services, self.slices)
            self._stale = False
        return self.table

    async def run(self) -> None:
        """Until cancelled; a table that the kernel refuses is logged and tried again."""
        loaded = ""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_COALESCE_S)
            self._dirty.clear()
            table = self.current()
            rules = render_table(table, self.pods)
            if rules != loaded:
                if problem := await asyncio.to_thread(load, rules):
                    log.error("nft.refused", extra={"fields": {"reason": problem}})
                    await asyncio.sleep(_RETRY_S)
                    self._dirty.set()
                    continue
                loaded = rules
            self._on_change(table)

    def _note(self, _key: NamespacedName) -> None:
        self._stale = True
        self._dirty.set()


def load(rules: str) -> str:
    """Replaces the table in the calling process's network namespace; returns what nft complained about, or nothing."""
    done = subprocess.run(["nft", "-f", "-"], input=rules, capture_output=True, text=True, check=False)
    return done.stderr.strip() or f"nft ended with {done.returncode}" if done.returncode else ""
