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
        self._objects = MappingProxyType(
            {kind: MappingProxyType(dict(sorted(by_name.items()))) for kind, by_name in objects.items()}
        )

    @classmethod
    def of(cls, objects: Iterable[KubernetesObject], *, revision: int = 1) -> "Snapshot":
        by_kind: dict[type[Any], dict[NamespacedName, Any]] = {}
        for item in objects:
            by_kind.setdefault(type(item), {})[item.metadata.key] = item
        return cls(revision, by_kind)

    def all(self, kind: type[T]) -> list[T]:
        """All objects of a kind, ordered by namespace and name."""
        return cast("list[T]", list(self._objects.get(kind, {}).values()))

    def get(self, kind: type[T], namespace: str, name: str) -> T | None:
        """`namespace` is empty for cluster-scoped kinds."""
        by_name = self._objects.get(kind)
        return None if by_name is None else cast("T | None", by_name.get(NamespacedName(namespace, name)))
