"""How many connections a server keeps: who opens many takes their place from those that ask for nothing."""

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

MOST: Final = 2_000

C = TypeVar("C", bound=Hashable)


class Connections(Generic[C]):
    """The open ones; of those without a request in progress, which has been so for longest."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._busy: set[C] = set()
        self._idle: dict[C, None] = {}

    def opened(self, connection: C) -> C | None:
        """Which one to close for it, where there are too many: itself if all others are busy."""
        self._idle[connection] = None
        if len(self._idle) + len(self._busy) <= self._most:
            return None
        return next(iter(self._idle))

    def began(self, connection: C) -> None:
        """A request."""
        self._idle.pop(connection, None)
        self._busy.add(connection)

    def ended(self, connection: C) -> None:
        """A request; the connection may be closed by now."""
        if connection in self._busy:
            self._busy.discard(connection)
            self._idle[connection] = None

    def closed(self, connection: C) -> None:
        self._idle.pop(connection, None)
        self._busy.discard(connection)
