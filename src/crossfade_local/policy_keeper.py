"""Keeps the kernel's rules equal to the NetworkPolicies, pods and namespaces of the API."""

import asyncio
import logging
from typing import Final

from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_local.network_policy import compile_policies
from crossfade_local.objects import ObjectIndex
from crossfade_local.pod_table import PodTable, pod_entry
from crossfade_local.policy_nft import render_policies
from crossfade_local.service_proxy import load

log = logging.getLogger(__name__)

_COALESCE_S: Final = 0.02
_RETRY_S: Final = 1.0
_ISOLATION_S: Final = 5.0


class PolicyKeeper:
    """`policies`, `namespaces` and `pods` are sinks for reflectors."""

    def __init__(self) -> None:
        self._dirty = asyncio.Event()
        self._changes = 0
        self._loaded_changes = 0
        self._loaded = asyncio.Event()
        self.policies = ObjectIndex(self._note)
        self.namespaces = ObjectIndex(self._note)
        self.pods = PodTable(self._change)

    async def isolate(self, pod: JsonObject, address: str) -> None:
        """Returns when the policies hold for a pod that is about to start at an address. Raises OSError."""
        try:
            async with asyncio.timeout(_ISOLATION_S):
                await self.policies.complete.wait()
                await self.namespaces.complete.wait()
                if self._has_policies(pod["metadata"]["namespace"]):
                    await self._hold(pod, address)
        except TimeoutError:
            raise OSError("its network policies could not be put in place; the node's log says why") from None

    def _has_policies(self, namespace: str) -> bool:
        return any(policy["metadata"]["namespace"] == namespace for policy in self.policies)

    async def _hold(self, pod: JsonObject, address: str) -> None:
        if entry := pod_entry({**pod, "status": {"podIP": address}}):
            self.pods.put(entry)
        wanted = self._changes
        while self._loaded_changes < wanted:
            self._loaded.clear()
            await self._loaded.wait()

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
            changes, rules = self._changes, self.rules()
            if rules != loaded:
                if problem := await asyncio.to_thread(load, rules):
                    log.error("policies.refused", extra={"fields": {"reason": problem}})
                    await asyncio.sleep(_RETRY_S)
                    self._dirty.set()
                    continue
                loaded = rules
            self._loaded_changes = changes
            self._loaded.set()

    def _note(self, _key: NamespacedName) -> None:
        self._change()

    def _change(self) -> None:
        self._changes += 1
        self._dirty.set()
