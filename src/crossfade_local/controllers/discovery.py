"""All resources that the server serves, custom ones included, each with an informer that knows at least its metadata.

Garbage collection and the end of a namespace concern every kind; so both learn of kinds as CRDs come and go.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from crossfade_kube.backoff import Backoff
from crossfade_kube.client import Client
from crossfade_kube.errors import KubeError
from crossfade_kube.meta import JsonObject, Resource
from crossfade_kube.resources import CUSTOM_RESOURCE_DEFINITION
from crossfade_local.controllers.informers import Handler, Informers
from crossfade_local.controllers.reconciler import Reconciler

log = logging.getLogger(__name__)

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_VERBS: Final = frozenset({"delete", "list", "watch"})
# Second addresses of objects that have another one.
_ALIAS_GROUPS: Final = frozenset({"extensions", "events.k8s.io"})
# CRDs become visible in discovery a moment after they are stored.
_LATER_S: Final = 0.3


class Served(NamedTuple):
    """A resource whose objects can be listed and deleted; only `is_watched` ones are kept in an informer."""

    resource: Resource
    is_watched: bool


def served_resources(groups: Iterable[JsonObject]) -> list[Served]:
    """From the items of aggregated discovery; of each resource the version that the server prefers."""
    found: dict[tuple[str, str], Served] = {}
    for group in groups:
        name = (group.get("metadata") or {}).get("name", "")
        if name in _ALIAS_GROUPS:
            continue
        for version in group.get("versions") or ():
            for item in version.get("resources") or ():
                if not set(item.get("verbs") or ()) >= _VERBS:
                    continue
                kind = (item.get("responseKind") or {}).get("kind", "")
                is_namespaced = item.get("scope") == "Namespaced"
                resource = Resource(name, version["version"], item["resource"], kind, namespaced=is_namespaced)
                # Events are many, own nothing and are owned by nobody.
                served = Served(resource, is_watched=resource.plural != "events")
                found.setdefault((name, item["resource"]), served)
    return sorted(found.values())


class ServedResources:
    """Keeps the set of resources current; handlers hear of every change of every watched object."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self.reconciler: Reconciler[str] = Reconciler("discovery", self._discover, workers=1)
        self.all: list[Served] = []
        self._client = client
        self._informers = informers
        self._handlers: list[Callable[[Resource], Handler]] = []
        informers.of(CUSTOM_RESOURCE_DEFINITION).on_change(self._on_crd)

    def on_change(self, handler_for: Callable[[Resource], Handler]) -> None:
        """To be called before `start`: gives the handler for each resource as it appears."""
        self._handlers.append(handler_for)

    async def start(self) -> None:
        """Returns when all resources known by now have been listed."""
        backoff = Backoff(0.05, 2.0)
        while True:
            try:
                await self._discover("start")
            except KubeError as exc:
                log.warning("discovery.failed", extra={"fields": {"reason": exc}})
                await asyncio.sleep(backoff.next_s())
            else:
                break
        await self._informers.synced()

    def find(self, group: str, kind: str) -> Resource | None:
        for served in self.all:
            if served.resource.group == group and served.resource.kind == kind:
                return served.resource
        return None

    def _on_crd(self, _before: JsonObject | None, _after: JsonObject | None) -> None:
        self.reconciler.queue.add("crd")
        self.reconciler.queue.add_after("crd", _LATER_S)

    async def _discover(self, _key: str) -> None:
        groups: list[JsonObject] = []
        for path in ("/api", "/apis"):
            groups += (await self._client.request("GET", path, accept=_AGGREGATED)).get("items") or ()
        before, self.all = {served.resource for served in self.all}, served_resources(groups)
        for gone in before - {served.resource for served in self.all}:
            self._informers.drop(gone)
        for served in self.all:
            if served.is_watched and served.resource not in before:
                informer = self._informers.of(served.resource, metadata_only=True)
                for handler_for in self._handlers:
                    informer.on_change(handler_for(served.resource))
