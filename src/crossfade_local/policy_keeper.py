"""Keeps the kernel's rules equal to the NetworkPolicies, pods and namespaces of the API."""

import asyncio
import logging
from typing import Final

from crossfade_kube.meta import NamespacedName
from crossfade_local.network_policy import compile_policies
from crossfade_local.objects import ObjectIndex
from crossfade_local.pod_table import PodTable
from crossfade_local.policy_nft import render_policies
from crossfade_local.service_proxy import load

log = logging.getLogger(__name__)

_COALESCE_S: Final = 0.02
_RETRY_S: Final = 1.0


class PolicyKeeper:
    """`policies`, `namespaces` and `pods` are sinks for reflectors."""

    def __init__(self) -> None:
        self._dirty = asyncio.Event()
        self.policies = ObjectIndex(self._note)
        self.namespaces = ObjectIndex(self._note)
        self.pods = PodTable(self._dirty.set)

    def rules(self) -> str:
        policies = list(self.policies)
        if not policies:
            return render_policies(compile_policies((), (), {}))
        labels = {one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in self.namespaces}
        return render_policies(compile_policies(policies, self.pods, labels))

    async def run(self) -> None:
        """Until cancelled; rules that the kernel refuses are logged and tried again, the former ones stay."""
        loaded = ""
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_COALESCE_S)
            self._dirty.clear()
            rules = self.rules()
            if rules != loaded:
                if problem := await asyncio.to_thread(load, rules):
                    log.error("policies.refused", extra={"fields": {"reason": problem}})
                    await asyncio.sleep(_RETRY_S)
                    self._dirty.set()
                    continue
                loaded = rules

    def _note(self, _key: NamespacedName) -> None:
        self._dirty.set()
