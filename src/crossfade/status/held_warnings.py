"""Warnings that become Events once they have held for a moment: the objects of one `kubectl apply` come one after the
other, and what the first still misses comes with the next.
"""

import asyncio
from collections.abc import Callable, Container
from typing import Final, Generic, TypeVar

from crossfade.status.change import News, ObjectChange

HOLD_S: Final = 2.0

K = TypeVar("K")


class HeldWarnings(Generic[K]):
    """The latest change of each key decides; its other news are told at once. Belongs to a running event loop."""

    def __init__(self, tell: Callable[[ObjectChange, News], None], *, hold_s: float = HOLD_S) -> None:
        self._tell = tell
        self._hold_s = hold_s
        self._held: dict[K, ObjectChange] = {}

    def note(self, key: K, change: ObjectChange) -> None:
        for news in change.news:
            if not news.is_warning:
                self._tell(change, news)
        if any(news.is_warning for news in change.news):
            self._held[key] = change
            asyncio.get_running_loop().call_later(self._hold_s, self._let_go, key, change.news)
        else:
            self._held.pop(key, None)

    def still(self, key: K, change: ObjectChange) -> None:
        """The same may be decided again, about a newer version of the object."""
        if key in self._held and self._held[key].news == change.news:
            self._held[key] = change

    def withdraw_all_but(self, wanted: Container[int]) -> list[K]:
        """The keys of what is not decided any more: `wanted` are identities of changes.

        One with a patch stays: a written status is no decision any more, but holds until another takes its place.
        """
        gone = [key for key, change in self._held.items() if change.patch is None and id(change) not in wanted]
        for key in gone:
            del self._held[key]
        return gone

    def _let_go(self, key: K, news: tuple[News, ...]) -> None:
        """Unless it was withdrawn, or something else is said of the object by now."""
        change = self._held.get(key)
        if change is not None and change.news == news:
            del self._held[key]
            for one in news:
                if one.is_warning:
                    self._tell(change, one)
