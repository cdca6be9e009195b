"""What is kept for long takes as much memory as it has bytes."""

import tracemalloc

import orjson
import pytest

from crossfade_local.apiserver.values.kept_json import kept_json

HEAD = 128
"""Of a bytes object and of the list that holds it, generously."""


@pytest.mark.parametrize("length", [700, 1500, 5000, 100_000])
def test_no_buffer_is_kept_with_it(length: int) -> None:
    value = {"text": "x" * length}
    tracemalloc.start()
    try:
        kept = [kept_json(value) for _ in range(20)]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set(kept) == {orjson.dumps(value)}
    assert taken <= sum(len(one) + HEAD for one in kept)
