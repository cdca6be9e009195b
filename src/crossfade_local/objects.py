"""The current objects of one resource, kept by a reflector, for parts that need the latest state and no history."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Protocol

from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.watch import WatchEvent


class ObjectIndex:
    """A sink that calls `changed` with the identity of each object that came, changed or went.

    `complete` is set when all objects have been listed once.
    """

    def __init__(self, changed: Callable[[NamespacedName], None]) -> None:
        self.complete = asyncio.Event()
        self._objects: dict[NamespacedName, JsonObject] = {}
        self._changed = changed

    def __iter__(self) -> Iterator[JsonObject]:
        return iter(self._objects.values())

    def get(self, key: NamespacedName) -> JsonObject | None:
        return self._objects.get(key)

    def replace(self, items: list[JsonObject]) -> None:
        former = self._objects
        self._objects = {_key(item): item for item in items}
        self.complete.set()
        for key in former.keys() | self._objects.keys():
            if former.get(key) != self._objects.get(key):
                self._changed(key)

    def apply(self, event: WatchEvent) -> None:
        key = _key(event.object)
        if event.type == "DELETED":
            self._objects.pop(key, None)
        else:
            self._objects[key] = event.object
        self._changed(key)


class _Sink(Protocol):
    def replace(self, items: list[JsonObject]) -> None: ...

    def apply(self, event: WatchEvent) -> None: ...


class SharedSink:
    """One reflector for several parts; each learns of everything before those behind it."""

    def __init__(self, *sinks: _Sink) -> None:
        self._sinks = sinks

    def replace(self, items: list[JsonObject]) -> None:
        for sink in self._sinks:
            sink.replace(items)

    def apply(self, event: WatchEvent) -> None:
        for sink in self._sinks:
            sink.apply(event)


def _key(item: JsonObject) -> NamespacedName:
    metadata = item["metadata"]
    return NamespacedName(metadata.get("namespace", ""), metadata["name"])
