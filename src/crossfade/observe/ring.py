"""The last records, bounded in number, age and bytes. They are kept as they came: few are ever looked at."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Final, NamedTuple

MOST: Final = 100_000
MOST_BYTES: Final = 32 << 20
OLDEST_S: Final = 15 * 60.0
# Of an entry besides its text: the objects of Python.
_OVERHEAD_BYTES: Final = 200
_TRACE_DIGITS: Final = 32
_DIGITS: Final = frozenset("0123456789abcdef")


class Kept(NamedTuple):
    """`came_s` is the clock's; `proxy` the key of who sent it."""

    came_s: float
    proxy: str
    text: bytes


class Ring:
    def __init__(
        self, clock: Callable[[], float], *, most: int = MOST, most_bytes: int = MOST_BYTES, oldest_s: float = OLDEST_S
    ) -> None:
        self._clock = clock
        self._most = most
        self._most_bytes = most_bytes
        self.oldest_s = oldest_s
        self._kept: deque[Kept] = deque()
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, proxy: str, text: bytes) -> None:
        self._kept.append(Kept(self._clock(), proxy, text))
        self.size_bytes += len(text) + _OVERHEAD_BYTES
        while len(self._kept) > self._most or self.size_bytes > self._most_bytes:
            self._drop()
        self._drop_old()

    def holding(self, words: Collection[str]) -> Iterator[Kept]:
        """Those with any of the words in them, also as the bytes of a trace's id; the newest first."""
        self._drop_old()
        sought = [form for word in words for form in _forms(word)]
        return (one for one in reversed(tuple(self._kept)) if any(word in one.text for word in sought))

    def _drop_old(self) -> None:
        before_s = self._clock() - self.oldest_s
        while self._kept and self._kept[0].came_s < before_s:
            self._drop()

    def _drop(self) -> None:
        self.size_bytes -= len(self._kept.popleft().text) + _OVERHEAD_BYTES


def _forms(word: str) -> Iterator[bytes]:
    yield word.encode()
    if len(word) == _TRACE_DIGITS and not set(word) - _DIGITS:
        yield bytes.fromhex(word)
