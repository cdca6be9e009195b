"""Remembers what pure functions of immutable objects gave, as long as the very same objects come again.

A compilation looks at everything; what a change did not touch costs a look-up. Nothing has to be invalidated: an entry
counts only for the inputs that it was made from, compared by identity (scalars by value), and goes when a compilation
has not used it.
"""

from collections.abc import Callable, Hashable
from typing import Any, Final, NamedTuple, TypeVar

from crossfade.compile.diagnostics import Diagnostics

T = TypeVar("T")
_SCALARS: Final = (str, int, bytes)


class _Known(NamedTuple):
    inputs: tuple[object, ...]
    result: Any
    diagnostics: Diagnostics | None


class Memo:
    """Belongs to one series of compilations, one after the other."""

    def __init__(self) -> None:
        self._before: dict[Hashable, _Known] = {}
        self._now: dict[Hashable, _Known] = {}

    def begin(self) -> None:
        """What the last compilation did not use is forgotten."""
        self._before, self._now = self._now, {}

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


def _are_same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Scalars count by value: equal ones are made anew all the time."""
    if len(one) != len(other):
        return False
    # A plain loop: this runs for every object at every change.
    for a, b in zip(one, other, strict=True):  # noqa: SIM110
        if a is not b and not (isinstance(a, _SCALARS) and a == b):
            return False
    return True
