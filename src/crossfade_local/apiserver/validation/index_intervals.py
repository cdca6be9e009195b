"""Indexes of a Job's pods as text: `0,2-4`."""


class IntervalError(ValueError):
    """Not such a text."""


def count_indexes(intervals: str, completions: int) -> int:
    """How many they are. Raises IntervalError, in Kubernetes' words."""
    last, total = -1, 0
    for interval in intervals.split(",") if intervals else ():
        start, end = _bounds(interval, completions)
        if total and last >= start:
            raise _out_of_order(last, start)
        total, last = total + end - start + 1, end
    return total


def _bounds(interval: str, completions: int) -> tuple[int, int]:
    parts = interval.split("-")
    if len(parts) > 2:
        said = "violates the requirement that an index interval can have at most two parts separated by '-'"
        raise IntervalError(f'the fragment "{interval}" {said}')
    start, *rest = [_index(part, completions) for part in parts]
    if rest and start >= rest[0]:
        raise _out_of_order(start, rest[0])
    return start, rest[0] if rest else start


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.isdigit()):
        raise IntervalError(f'cannot convert string to integer for index: "{text}"')
    if int(text) >= completions:
        raise IntervalError(f'too large index: "{text}"')
    return int(text)


def _out_of_order(previous: int, current: int) -> IntervalError:
    return IntervalError(f"non-increasing order, previous: {previous}, current: {current}")
