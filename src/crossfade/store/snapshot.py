"""An immutable view of all objects of the watched kinds at one moment."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeVar, cast

from crossfade_kube.meta import NamespacedName, ObjectMeta


class KubernetesObject(Protocol):
    """What the store needs of a typed object."""

    @property
    def metadata(self) -> ObjectMeta: ...


T = TypeVar("T", bound=KubernetesObject)


class Snapshot:
    """Objects by struct type and name; `revision` grows with every change and never repeats within a process."""

    def __init__(self, revision: int, objects: Mapping[type[Any], Mapping[NamespacedName, Any]]) -> None:
        self.revision = revision
        self._objects: Mapping[type[Any], Mapping[NamespacedName, Any]] = MappingProxyType(
            {kind: MappingProxyType(dict(sorted(by_name.items()))) for kind, by_name in objects.items()}
        )

    @classmethod
    def of(cls, objects: Iterable[KubernetesObject], *, revision: int = 1) -> "Snapshot":
        by_kind: dict[type[Any], dict[NamespacedName, Any]] = {}
        for item in objects:
            by_kind.setdefault(type(item), {})[item.metadata.key] = item
        return cls(revision, by_kind)

    def with_changes(self, present: Iterable[KubernetesObject], gone: Iterable[KubernetesObject]) -> "Snapshot":
        """The next revision: these objects are new or different, those are no longer there. Shares what stays."""
        objects: dict[type[Any], Mapping[NamespacedName, Any]] = dict(self._objects)
        for item in gone:
            _own(objects, type(item)).pop(item.metadata.key, None)
        grown = set()
        for item in present:
            by_name = _own(objects, type(item))
            if item.metadata.key not in by_name:
                grown.add(type(item))
            by_name[item.metadata.key] = item
        for kind in grown:
            objects[kind] = dict(sorted(objects[kind].items()))
        following = Snapshot(self.revision + 1, {})
        following._objects = MappingProxyType(
            {
                kind: by_name if isinstance(by_name, MappingProxyType) else MappingProxyType(by_name)
                for kind, by_name in objects.items()
            }
        )
        return following

    def all(self, kind: type[T]) -> list[T]:
        """All objects of a kind, ordered by namespace and name."""
        return cast("list[T]", list(self._objects.get(kind, {}).values()))

    def get(self, kind: type[T], namespace: str, name: str) -> T | None:
        """`namespace` is empty for cluster-scoped kinds."""
        by_name = self._objects.get(kind)
        return None if by_name is None else cast("T | None", by_name.get(NamespacedName(namespace, name)))


def _own(objects: dict[type[Any], Mapping[NamespacedName, Any]], kind: type[Any]) -> dict[NamespacedName, Any]:
    """A copy that may be changed, made when a kind is first touched."""
    by_name = objects.get(kind)
    if not isinstance(by_name, dict):
        by_name = objects[kind] = dict(by_name or {})
    return by_name
