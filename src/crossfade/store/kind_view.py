"""The objects of one kind at one moment, ordered; the next view is made from this one without sorting all again."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

from crossfade_kube.meta import NamespacedName

T = TypeVar("T")

# Each single change shifts what lies behind it; with more of them sorting all is cheaper.
_FEW: Final = 200


class KindView(Mapping[NamespacedName, T]):
    """Immutable. Iterates in order of namespace and name; `items_in_order` are the objects in that order."""

    __slots__ = ("_by_name", "_names", "items_in_order")

    def __init__(self, by_name: Mapping[NamespacedName, T]) -> None:
        """Sorts; `by_name` may change afterwards."""
        self._names = sorted(by_name)
        self._by_name = dict(by_name)
        self.items_in_order: tuple[T, ...] = tuple(map(self._by_name.__getitem__, self._names))

    @classmethod
    def of(cls, by_name: Mapping[NamespacedName, T]) -> "KindView[T]":
        """`by_name` itself where it is a view already."""
        return by_name if isinstance(by_name, KindView) else cls(by_name)

    def after(self, changes: Mapping[NamespacedName, T | None]) -> "KindView[T]":
        """The view with new or changed objects put in and (None) objects taken out."""
        if not changes:
            return self
        by_name = self._by_name.copy()
        for name, item in changes.items():
            if item is None:
                by_name.pop(name, None)
            else:
                by_name[name] = item
        if len(changes) > _FEW:
            return KindView(by_name)
        return self._spliced(by_name, changes)

    def _spliced(self, by_name: dict[NamespacedName, T], changes: Mapping[NamespacedName, T | None]) -> "KindView[T]":
        names, items = self._names.copy(), list(self.items_in_order)
        for name, item in changes.items():
            place = bisect_left(names, name)
            is_known = place < len(names) and names[place] == name
            if item is None:
                if is_known:
                    del names[place], items[place]
            elif is_known:
                items[place] = item
            else:
                names.insert(place, name)
                items.insert(place, item)
        view: KindView[T] = KindView.__new__(KindView)
        view._names, view._by_name, view.items_in_order = names, by_name, tuple(items)
        return view

    def get(self, name: NamespacedName, default: Any = None) -> Any:
        return self._by_name.get(name, default)

    def __getitem__(self, name: NamespacedName) -> T:
        return self._by_name[name]

    def __iter__(self) -> Iterator[NamespacedName]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
