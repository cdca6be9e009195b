"""An immutable view of all objects of the watched kinds at one moment."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

from crossfade.store.kind_view import KindView
from crossfade_kube.meta import NamespacedName, ObjectMeta


class KubernetesObject(Protocol):
    """What the store needs of a typed object."""

    @property
    def metadata(self) -> ObjectMeta: ...


T = TypeVar("T", bound=KubernetesObject)


_NOTHING: Mapping[NamespacedName, Any] = MappingProxyType({})


class Snapshot:
    """Objects by struct type and name; `revision` grows with every change and never repeats within a process."""

    def __init__(self, revision: int, objects: Mapping[type[Any], Mapping[NamespacedName, Any]]) -> None:
        self.revision = revision
        # What comes as a view is shared with the snapshots before: a change costs what its own kind costs.
        self._objects = MappingProxyType({kind: KindView.of(by_name) for kind, by_name in objects.items()})

    @classmethod
    def of(cls, objects: Iterable[KubernetesObject], *, revision: int = 1) -> "Snapshot":
        by_kind: dict[type[Any], dict[NamespacedName, Any]] = {}
        for item in objects:
            by_kind.setdefault(type(item), {})[item.metadata.key] = item
        return cls(revision, by_kind)

    def with_changes(self, present: Iterable[KubernetesObject], gone: Iterable[KubernetesObject]) -> "Snapshot":
        """The next revision: these objects are new or different, those are no longer there. Shares what stays."""
        changes: dict[type[Any], dict[NamespacedName, KubernetesObject | None]] = {}
        for item in gone:
            changes.setdefault(type(item), {})[item.metadata.key] = None
        for item in present:
            changes.setdefault(type(item), {})[item.metadata.key] = item
        views = {kind: KindView.of(self._objects.get(kind, {})).after(changed) for kind, changed in changes.items()}
        return Snapshot(self.revision + 1, {**self._objects, **views})

    def with_views(self, views: Mapping[type[Any], KindView[Any]]) -> "Snapshot":
        """The same revision with other objects of these kinds."""
        return Snapshot(self.revision, {**self._objects, **views})

    def all(self, kind: type[T]) -> tuple[T, ...]:
        """All objects of a kind, ordered by namespace and name; the very same tuple as long as none of them changed."""
        view = self._objects.get(kind)
        return () if view is None else cast("tuple[T, ...]", view.items_in_order)

    def by_name(self, kind: type[T]) -> Mapping[NamespacedName, T]:
        return cast("Mapping[NamespacedName, T]", self._objects.get(kind, _NOTHING))

    def get(self, kind: type[T], namespace: str, name: str) -> T | None:
        """`namespace` is empty for cluster-scoped kinds."""
        by_name = self._objects.get(kind)
        return None if by_name is None else cast("T | None", by_name.get(NamespacedName(namespace, name)))
