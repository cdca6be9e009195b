"""What this process still holds of things by whose name they can be told."""

import gc
from collections.abc import Iterator
from typing import Any, Final

_BOUNDED: Final = frozenset({"URL", "_lru_cache_wrapper", "code", "frame", "cell", "coroutine", "function"})


def holders_of(word: str) -> list[str]:
    """Objects that hold a text with the word, but for those of modules, of frames and of caches of URLs, which are
    bounded."""
    gc.collect()
    found = (one for one in gc.get_objects() if type(one).__qualname__ not in _BOUNDED and not _is_of_a_module(one))
    return sorted(f"{type(one).__qualname__}: {text}" for one in found for text in _texts(one) if word in text)


def _is_of_a_module(one: Any) -> bool:
    return isinstance(one, dict) and "__spec__" in one


def _texts(holder: Any) -> Iterator[str]:
    # Of a dict whose keys are all texts the collector tells the values alone.
    for one in (*gc.get_referents(holder), *(holder if isinstance(holder, dict) else ())):
        if isinstance(one, str):
            yield one
        elif isinstance(one, bytes):
            yield one.decode("latin-1")
