"""What the rules of a schema may cost to evaluate, each and together, as Kubernetes limits it."""

from collections.abc import Iterator
from typing import Final

from crossfade_local.apiserver.crd.cel_types.ranges import LARGEST
from crossfade_local.apiserver.validation.errors import FieldError, forbidden

_MOST_OF_ONE: Final = 10_000_000
_MOST_OF_ALL: Final = 100_000_000
_SHOWN: Final = 4
_SHOWN_FROM: Final = _MOST_OF_ALL // 100
_WAY_OUT: Final = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are"
    " declared)"
)


class Budget:
    def __init__(self, *, is_new: bool) -> None:
        self._is_new = is_new
        self._total = 0
        self._largest: list[tuple[int, str]] = []

    def spend(self, place: str, what: str, cost: int) -> Iterator[FieldError]:
        if self._is_new and cost > _MOST_OF_ONE:
            yield forbidden(place, _too_much(f"estimated {what} cost", cost / _MOST_OF_ONE))
        self._total = min(self._total + cost, LARGEST)
        if cost >= _SHOWN_FROM:
            self._largest = sorted([*self._largest, (cost, place)], key=lambda one: -one[0])[:_SHOWN]

    def errors(self, path: str) -> Iterator[FieldError]:
        """Of all rules together."""
        if self._total <= _MOST_OF_ALL:
            return
        for _, place in self._largest:
            said = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            yield forbidden(place, said)
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        yield forbidden(path, _too_much(what, self._total / _MOST_OF_ALL))


def _too_much(what: str, factor: float) -> str:
    shown = "more than 100" if factor > 100 else f"{factor:f}" if factor < 1.5 else f"{factor:.1f}"
    return f"{what} exceeds budget by factor of {shown}x {_WAY_OUT}"
