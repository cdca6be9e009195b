"""Remembers what was decided on each object of a kind, as long as the very same object comes again.

Every change of the cluster asks for all decisions anew; what it did not touch costs a look-up by identity, and gives
the very same decision again. Nothing has to be invalidated: entries go with their objects, or when circumstances
change.
"""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from crossfade.status.change import ObjectChange

T = TypeVar("T")


class KindDecisions(Generic[T]):
    """Belongs to one series of decisions, one after the other."""

    def __init__(self) -> None:
        # The objects are held here, so no other can come to have the identity of one of them.
        self._known: dict[int, T] = {}
        self._changes: dict[int, ObjectChange] = {}
        self._circumstances: object = None

    def on(
        self,
        items: Iterable[T],
        decide: Callable[[T], ObjectChange | None],
        *,
        circumstances: object,
        touched: Iterable[T] = (),
    ) -> list[ObjectChange]:
        """The changes of `items`, in their order.

        `circumstances` are what `decide` depends on for all of them; for those `touched` something else has changed.
        """
        if circumstances != self._circumstances:
            self._known, self._changes, self._circumstances = {}, {}, circumstances
        current = {id(item): item for item in items}
        for gone in self._known.keys() - current.keys():
            self._changes.pop(gone, None)
        fresh = current.keys() - self._known.keys() | {id(item) for item in touched} & current.keys()
        for identity in fresh:
            change = decide(current[identity])
            if change is None:
                self._changes.pop(identity, None)
            else:
                self._changes[identity] = change
        self._known = current
        return [self._changes[identity] for identity in current if identity in self._changes]
