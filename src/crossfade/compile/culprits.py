"""Finds which of several suspects make something be refused, by leaving some of them out at a time.

Pure: `left_out` says what to try next, `judged` takes the verdict on it. First everything without any suspect, then
groups are put back and halved when they are refused. One culprit among n takes at most 2 log2(n) trials, and what is
left in at the end was accepted as a whole, also when suspects are bad only together (then the
later one counts as guilty).
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from msgspec import Struct, structs

S = TypeVar("S", bound=Hashable)


class Group(Struct, Generic[S], frozen=True):
    """`is_bad`: refused for certain. `is_bad_with_former`: so if the group before it turns out to be good."""

    members: tuple[S, ...]
    is_bad: bool = False
    is_bad_with_former: bool = False


class Search(Struct, Generic[S], frozen=True):
    """`groups` are still to be judged, the first is on trial. `is_hopeless`: refused even without any suspect."""

    groups: tuple[Group[S], ...]
    guilty: tuple[S, ...] = ()
    is_base_good: bool = False
    is_hopeless: bool = False

    @property
    def is_over(self) -> bool:
        return self.is_hopeless or (self.is_base_good and not self.groups)

    @property
    def left_out(self) -> frozenset[S]:
        """What the next trial, or the outcome, goes without."""
        waiting = self.groups[1:] if self.is_base_good else self.groups
        return frozenset(self.guilty).union(*(group.members for group in waiting))


def search(suspects: Iterable[S]) -> Search[S]:
    """All of them together were refused."""
    members = tuple(dict.fromkeys(suspects))
    return Search((Group(members, is_bad=True),) if members else (), is_hopeless=not members)


def judged(state: Search[S], *, is_refused: bool) -> Search[S]:
    """After the verdict on what goes without `state.left_out`."""
    if not state.is_base_good:
        return structs.replace(state, is_hopeless=True) if is_refused else _split(_with_good_base(state))
    first, rest = state.groups[0], state.groups[1:]
    if is_refused:
        following = tuple(structs.replace(group, is_bad_with_former=False) for group in rest[:1]) + rest[1:]
        return _split(structs.replace(state, groups=(structs.replace(first, is_bad=True), *following)))
    following = tuple(structs.replace(group, is_bad=group.is_bad_with_former) for group in rest[:1]) + rest[1:]
    return _split(structs.replace(state, groups=following))


def _with_good_base(state: Search[S]) -> Search[S]:
    return structs.replace(state, is_base_good=True)


def _split(state: Search[S]) -> Search[S]:
    """Nothing is tried whose verdict is known."""
    groups, guilty = state.groups, state.guilty
    while groups and groups[0].is_bad:
        members, rest = groups[0].members, groups[1:]
        if len(members) == 1:
            groups, guilty = rest, (*guilty, *members)
            continue
        middle = len(members) // 2
        groups = (Group(members[:middle]), Group(members[middle:], is_bad_with_former=True), *rest)
    return structs.replace(state, groups=groups, guilty=guilty)
