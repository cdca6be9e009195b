"""Routes that never get a request, since an earlier one has the same conditions."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from crossfade.compile.routing.matches import RouteMatch

T = TypeVar("T")


def shadowed(ordered: Iterable[tuple[T, Sequence[RouteMatch]]]) -> Iterator[tuple[T, T]]:
    """Each with the earlier one that takes its requests; `ordered` are (route, its matches) in the order of trying."""
    seen: dict[RouteMatch, T] = {}
    for route, matches in ordered:
        if matches and all(match in seen for match in matches):
            yield route, seen[matches[0]]
        for match in matches:
            seen.setdefault(match, route)
