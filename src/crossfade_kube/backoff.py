"""Growing, slightly random delays between attempts."""

import random


class Backoff:
    """Doubles from `first_s` to `max_s`; a fifth of randomness keeps a fleet from retrying in step."""

    def __init__(self, first_s: float, max_s: float) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._next_s = first_s

    def next_s(self) -> float:
        delay_s = self._next_s
        self._next_s = min(self._next_s * 2, self._max_s)
        return delay_s * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, hides nothing

    def reset(self) -> None:
        self._next_s = self._first_s
