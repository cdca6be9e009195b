"""What the controllers know of the cluster: one reflector per resource, shared by all who ask.

A controller's own writes count at once (`observe`), so it never acts twice because the watch has not told it yet.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from crossfade_kube.client import Client
from crossfade_kube.meta import JsonObject, NamespacedName, Resource
from crossfade_kube.reflector import Reflector
from crossfade_kube.watch import WatchEvent
from crossfade_local.controllers.objects import key_of, version_of

log = logging.getLogger(__name__)

Handler = Callable[[JsonObject | None, JsonObject | None], None]


class Informer:
    """Current objects of one resource; treat them as read-only.

    Handlers get the state before and after: None before means added, None after means deleted.
    """

    def __init__(self, resource: Resource, *, metadata_only: bool = False) -> None:
        self.resource = resource
        self._metadata_only = metadata_only
        self._objects: dict[NamespacedName, JsonObject] = {}
        self._by_namespace: dict[str, dict[NamespacedName, JsonObject]] = {}
        self._handlers: list[Handler] = []
        self._seen_version = 0

    def get(self, key: NamespacedName) -> JsonObject | None:
        return self._objects.get(key)

    def in_namespace(self, namespace: str) -> list[JsonObject]:
        return list(self._by_namespace.get(namespace, {}).values())

    def __iter__(self) -> Iterator[JsonObject]:
        return iter(list(self._objects.values()))

    def on_change(self, handler: Handler) -> None:
        """Also called at once for everything known already."""
        self._handlers.append(handler)
        for obj in self:
            handler(None, obj)

    def observe(self, obj: JsonObject) -> None:
        """Takes in the server's answer to a write, unless the watch has brought that state or a newer one."""
        if "resourceVersion" in obj.get("metadata", {}) and version_of(obj) > self._seen_version:
            self._put(obj)

    def replace(self, items: list[JsonObject]) -> None:
        present = {key_of(item) for item in items}
        for gone in [key for key in self._objects if key not in present]:
            self._remove(gone)
        for item in items:
            self._see(item)
            self._put(item)

    def apply(self, event: WatchEvent) -> None:
        obj = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **event.object}
        self._see(obj)
        if event.type == "DELETED":
            self._remove(key_of(obj))
        elif event.type != "BOOKMARK":
            self._put(obj)

    def clear(self) -> None:
        """The resource is no longer served, so its objects are gone."""
        self.replace([])

    def _see(self, obj: JsonObject) -> None:
        self._seen_version = max(self._seen_version, version_of(obj))

    def _put(self, obj: JsonObject) -> None:
        key = key_of(obj)
        before = self._objects.get(key)
        if before is not None and version_of(before) >= version_of(obj):
            return
        if self._metadata_only:
            obj = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": obj["metadata"]}
        self._objects[key] = obj
        self._by_namespace.setdefault(key.namespace, {})[key] = obj
        self._tell(before, obj)

    def _remove(self, key: NamespacedName) -> None:
        before = self._objects.pop(key, None)
        if before is not None:
            neighbours = self._by_namespace[key.namespace]
            del neighbours[key]
            if not neighbours:
                del self._by_namespace[key.namespace]
            self._tell(before, None)

    def _tell(self, before: JsonObject | None, after: JsonObject | None) -> None:
        for handler in self._handlers:
            try:
                handler(before, after)
            except Exception as exc:
                # One odd object must not end the watch for all others.
                fields = {"resource": self.resource.plural, "reason": exc}
                log.error("informer.handler_failed", extra={"fields": fields}, exc_info=exc)


class Informers:
    """Starts a reflector for each resource asked for, inside `run`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Resource, Informer] = {}
        self._synced: dict[Resource, asyncio.Event] = {}
        self._reflecting: dict[Resource, asyncio.Task[None]] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def of(self, resource: Resource, *, metadata_only: bool = False) -> Informer:
        """The shared informer; `metadata_only` saves memory, and counts only for the first who asks."""
        if resource not in self._informers:
            self._informers[resource] = Informer(resource, metadata_only=metadata_only)
            self._start(resource)
        return self._informers[resource]

    def drop(self, resource: Resource) -> None:
        """Stops watching a resource that is no longer served; its objects count as deleted."""
        if task := self._reflecting.pop(resource, None):
            task.cancel()
        if informer := self._informers.pop(resource, None):
            informer.clear()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            for resource in self._informers:
                self._start(resource)
            await asyncio.Event().wait()

    async def synced(self, resources: Iterable[Resource] | None = None) -> None:
        """Returns once everything asked for so far (or the given resources) has been listed."""
        for resource in list(self._informers) if resources is None else resources:
            await self._synced.setdefault(resource, asyncio.Event()).wait()

    def _start(self, resource: Resource) -> None:
        if self._tasks is None:
            return
        reflector = Reflector(self._client, resource, self._informers[resource])
        reflector.synced = self._synced.setdefault(resource, asyncio.Event())
        self._reflecting[resource] = self._tasks.create_task(reflector.run(), name=f"reflect {resource.plural}")
