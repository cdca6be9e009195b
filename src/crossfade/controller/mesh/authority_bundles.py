"""Tells sidecars whom to trust: the authority's certificate as a ConfigMap in each namespace with members of a mesh.

A pod is told when it is made too, but an authority may be lost and made anew while the pod lives. The kubelet carries a
changed ConfigMap into pods within a minute or two.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from crossfade.api.appmesh import VirtualGateway, VirtualNode
from crossfade.inject.settings import AUTHORITY_BUNDLE, AUTHORITY_KEY
from crossfade.store.snapshot import Snapshot
from crossfade_kube.client import Client
from crossfade_kube.errors import KubeError, NotFound
from crossfade_kube.logging import EventLog
from crossfade_kube.meta import JsonObject
from crossfade_kube.resources import CONFIG_MAP

_LOOKS_S: Final = 1.0
_CHECKS_ALL_S: Final = 60.0


def namespaces_of(snapshot: Snapshot) -> set[str]:
    """Where sidecars may be."""
    return {item.metadata.namespace for kind in (VirtualNode, VirtualGateway) for item in snapshot.all(kind)}


class AuthorityBundles:
    """What is right is left alone; a namespace that refuses, as one that ends does, keeps no other waiting."""

    def __init__(self, client: Client, *, manager: str, log: EventLog) -> None:
        self._client = client
        self._manager = manager
        self._log = log
        self._told: dict[str, str] = {}
        self._problems: dict[str, str] = {}

    async def run(self, wanted: Callable[[], tuple[str, Snapshot] | None]) -> None:
        """Until cancelled. `wanted` is the authority and what is in the cluster, or None as long as that is unknown."""
        loop, checked_at = asyncio.get_running_loop(), float("-inf")
        before: tuple[str, Snapshot] | None = None
        while True:
            now, found = loop.time(), wanted()
            is_due = now >= checked_at + _CHECKS_ALL_S
            if found is not None and (is_due or found != before):
                await self.tell(found[0], namespaces_of(found[1]), anew=is_due)
                checked_at, before = now if is_due else checked_at, found
            await asyncio.sleep(_LOOKS_S)

    async def tell(self, pem: str, wanted: set[str], *, anew: bool) -> None:
        """`anew`: also where it was told before, since somebody may have changed it."""
        for namespace in sorted(wanted):
            if anew or self._told.get(namespace) != pem:
                await self._tell(namespace, pem)
        for known in (self._told, self._problems):
            for gone in known.keys() - wanted:
                del known[gone]

    async def _tell(self, namespace: str, pem: str) -> None:
        try:
            if await self._text_in(namespace) != pem:
                await self._client.apply(CONFIG_MAP, _bundle(namespace, pem), field_manager=self._manager)
        except KubeError as exc:
            self._told.pop(namespace, None)
            if self._problems.get(namespace) != str(exc):
                self._problems[namespace] = str(exc)
                self._log.warning("authority.not_told", namespace=namespace, reason=exc)
        else:
            self._told[namespace] = pem
            self._problems.pop(namespace, None)

    async def _text_in(self, namespace: str) -> str | None:
        try:
            found = await self._client.get(CONFIG_MAP, AUTHORITY_BUNDLE, namespace=namespace)
        except NotFound:
            return None
        text: str | None = (found.get("data") or {}).get(AUTHORITY_KEY)
        return text


def _bundle(namespace: str, pem: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": CONFIG_MAP.kind,
        "metadata": {"name": AUTHORITY_BUNDLE, "namespace": namespace},
        "data": {AUTHORITY_KEY: pem},
    }
