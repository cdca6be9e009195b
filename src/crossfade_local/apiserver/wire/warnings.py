"""The texts of an answer's `Warning` headers, as many as Kubernetes would send."""

from collections.abc import Iterator
from typing import Final

MOST_CHARACTERS: Final = 4096
LONGEST_WHEN_CUT: Final = 256


class Warnings:
    """Each text once. When all together get too long each is cut, and when they still are no more are taken."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._characters = 0
        self._is_cutting = False

    def add(self, text: str) -> None:
        if not text or text in self._texts or (self._is_cutting and self._characters >= MOST_CHARACTERS):
            return
        self._texts[text] = None
        if self._is_cutting:
            self._characters += min(len(text), LONGEST_WHEN_CUT)
        elif self._characters + len(text) <= MOST_CHARACTERS:
            self._characters += len(text)
        else:
            self._is_cutting = True
            self._characters = sum(min(len(known), LONGEST_WHEN_CUT) for known in self._texts)

    def __iter__(self) -> Iterator[str]:
        for text in self._texts:
            yield text[:LONGEST_WHEN_CUT] if self._is_cutting else text
