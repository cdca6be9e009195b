"""Remembers what pure functions of immutable objects gave, as long as the very same objects come again.

A compilation looks at everything; what a change did not touch costs a look-up. Nothing has to be invalidated: an entry
counts only for the inputs that it was made from, compared by identity (scalars by value), and goes when a compilation
has not used it.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final, NamedTuple, TypeVar

from crossfade.compile.diagnostics import Diagnostics

T = TypeVar("T")
_SCALARS: Final = (str, int, bytes, frozenset)


class _Known(NamedTuple):
    inputs: tuple[object, ...]
    result: Any
    diagnostics: Diagnostics | None


class _One(NamedTuple):
    """Keeps its inputs alive, so that no other object can take their identity."""

    inputs: tuple[object, ...]
    result: Any
    diagnostics: Diagnostics | None


class _All(NamedTuple):
    source: object
    shared: tuple[object, ...]
    by_identity: dict[int, _One]
    results: tuple[Any, ...]
    diagnostics: tuple[Diagnostics, ...]


class Memo:
    """Belongs to one series of compilations, one after the other."""

    def __init__(self) -> None:
        self._before: dict[Hashable, _Known] = {}
        self._now: dict[Hashable, _Known] = {}
        self._all_before: dict[Hashable, _All] = {}
        self._all_now: dict[Hashable, _All] = {}

    def begin(self) -> None:
        """What the last compilation did not use is forgotten."""
        self._before, self._now = self._now, {}
        self._all_before, self._all_now = self._all_now, {}

    def of(
        self,
        key: Hashable,
        inputs: tuple[object, ...],
        make: Callable[[Diagnostics], T],
        diagnostics: Diagnostics,
    ) -> T:
        """What `make` gives, and gave before for the same `inputs`; its diagnostics are told each time.

        `key` is unique within a compilation. `inputs` are all that `make` depends on.
        """
        known = self._before.get(key)
        if known is None or not _are_same(known.inputs, inputs):
            found = Diagnostics()
            known = _Known(inputs, make(found), found if found.has_any else None)
        self._now[key] = known
        if known.diagnostics is not None:
            diagnostics.include(known.diagnostics)
        result: T = known.result
        return result

    def each(
        self,
        key: Hashable,
        inputs: Iterable[tuple[object, ...]],
        shared: tuple[object, ...],
        make: Callable[..., T],
        diagnostics: Diagnostics,
    ) -> tuple[T, ...]:
        """`make(*inputs, diagnostics)` for each; like `of` at a fraction of its cost, for things that are many.

        The first of an item's inputs is an object of its own. `shared` is what all depend on besides. As long as
        nothing is different the very same tuple comes back; nothing is compared where `inputs` is the same tuple.
        """
        before = self._all_before.get(key)
        if before is None or before.source is not inputs or not _are_same(before.shared, shared):
            before = self._each(before, inputs, shared, make)
        self._all_now[key] = before
        for told in before.diagnostics:
            diagnostics.include(told)
        return before.results

    @staticmethod
    def _each(
        before: _All | None, inputs: Iterable[tuple[object, ...]], shared: tuple[object, ...], make: Callable[..., Any]
    ) -> _All:
        known = before.by_identity if before is not None and _are_same(before.shared, shared) else {}
        found: dict[int, _One] = {}
        is_new = before is None or before.by_identity is not known
        for item in inputs:
            identity = id(item[0])
            one = known.get(identity)
            if one is None or one.inputs != item:
                own = Diagnostics()
                one = _One(item, make(*item, own), own if own.has_any else None)
                is_new = True
            found[identity] = one
        source = inputs if isinstance(inputs, tuple) else None
        if before is None or is_new or list(found) != list(known):
            told = tuple(one.diagnostics for one in found.values() if one.diagnostics is not None)
            return _All(source, shared, found, tuple(one.result for one in found.values()), told)
        return before._replace(source=source)


def _are_same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Scalars count by value: equal ones are made anew all the time."""
    if len(one) != len(other):
        return False
    # A plain loop: this runs for every object at every change.
    for a, b in zip(one, other, strict=True):  # noqa: SIM110
        if a is not b and not (isinstance(a, _SCALARS) and a == b):
            return False
    return True
