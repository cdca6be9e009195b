"""Holds the latest decoded objects of the watched kinds and hands out immutable snapshots of them.

An object that cannot be decoded is reported and otherwise left as it last was: a bad object never stops a good one.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from crossfade.store.kind_view import KindView
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import JsonObject, NamespacedName
from crossfade_kube.registry import DecodeError, TypedObject, decode
from crossfade_kube.watch import WatchEvent

# The whole object once more, values of Secrets included; nobody reads it here.
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


class Cache:
    """`on_change` is called after every change; it must return at once."""

    def __init__(self, kinds: Iterable[type[TypedObject]], on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self._revision = 0
        self._sinks = {kind: KindSink(kind, self._changed) for kind in kinds}

    def sink(self, kind: type[TypedObject]) -> "KindSink":
        """Where the events of this kind go."""
        return self._sinks[kind]

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def is_synced(self) -> bool:
        """Every kind has been listed once."""
        return all(sink.is_synced for sink in self._sinks.values())

    @property
    def rejected(self) -> list[DecodeError]:
        """What is wrong with the objects that the snapshot lacks or has in an older state, ordered by object."""
        errors = [error for sink in self._sinks.values() for error in sink.rejected.values()]
        return sorted(errors, key=lambda error: error.ref)

    def snapshot(self) -> Snapshot:
        return Snapshot(self._revision, {kind: sink.view() for kind, sink in self._sinks.items()})

    def _changed(self) -> None:
        self._revision += 1
        self._on_change()


class _Read(NamedTuple):
    """`found` is an object of the kind."""

    name: NamespacedName
    found: Any | DecodeError


class KindSink:
    """The state of one kind."""

    def __init__(self, kind: type[TypedObject], on_change: Callable[[], None]) -> None:
        self.objects: dict[NamespacedName, Any] = {}
        self._view: KindView[Any] = KindView({})
        self._changed: set[NamespacedName] = set()
        self.rejected: dict[NamespacedName, DecodeError] = {}
        self.is_synced = False
        self._kind = kind
        self._on_change = on_change

    def view(self) -> KindView[Any]:
        """The objects as they are now; the same view as before where none of them changed."""
        if self._changed:
            self._view = self._view.after({name: self.objects.get(name) for name in self._changed})
            self._changed.clear()
        return self._view

    def read(self, item: JsonObject) -> _Read:
        """The very object that is here, where it is that version."""
        name = _name_of(item)
        known = self.objects.get(name)
        if known is not None and known.metadata.resource_version == item["metadata"].get("resourceVersion"):
            return _Read(name, known)
        try:
            return _Read(name, decode(_without_manifest(item), self._kind))
        except DecodeError as error:
            return _Read(name, error)

    def replace(self, items: list[JsonObject]) -> None:
        self.replace_read(list(map(self.read, items)))

    def replace_read(self, items: list[_Read]) -> None:
        before = (dict(self.objects), set(self.rejected), self.is_synced)
        names = {item.name for item in items}
        for gone in [name for name in (*self.objects, *self.rejected) if name not in names]:
            self._remove(gone)
        for item in items:
            self._put(item)
        self.is_synced = True
        if before != (self.objects, set(self.rejected), True):
            self._on_change()

    def apply(self, event: WatchEvent) -> None:
        if event.type == "BOOKMARK":
            return
        if event.type == "DELETED":
            self._remove(_name_of(event.object))
        else:
            self._put(self.read(event.object))
        self._on_change()

    def _put(self, item: _Read) -> None:
        name, found = item
        if isinstance(found, DecodeError):
            self.rejected[name] = found
        elif self.objects.get(name) is not found:
            self.objects[name] = found
            self._changed.add(name)
            self.rejected.pop(name, None)

    def _remove(self, name: NamespacedName) -> None:
        if self.objects.pop(name, None) is not None:
            self._changed.add(name)
        self.rejected.pop(name, None)


def _without_manifest(item: JsonObject) -> JsonObject:
    if _LAST_APPLIED not in (item["metadata"].get("annotations") or ()):
        return item
    metadata = dict(item["metadata"])
    metadata["annotations"] = {key: text for key, text in metadata["annotations"].items() if key != _LAST_APPLIED}
    return {**item, "metadata": metadata}


def _name_of(item: JsonObject) -> NamespacedName:
    metadata = item["metadata"]
    return NamespacedName(metadata.get("namespace") or "", metadata["name"])
