"""Tables for people, without colour; nothing that a stranger wrote reaches a terminal as it is. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from crossfade.observe.words import shown

ABSENT: Final = "-"


def lines_of(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: frozenset[int]) -> Iterator[str]:
    """`numbers` are the columns that stand to the right."""
    cells = [tuple(header), *(tuple(shown(cell) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        aligned = (
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(aligned).rstrip()


def share(value: float | None) -> str:
    """In percent. Only what is whole is shown as 100 %, only what is nothing as 0 %."""
    if value is None:
        return ABSENT
    percent = min(max(value * 100, 0.1), 99.9) if 0 < value < 1 else value * 100
    return f"{percent:.1f} %"


def amount(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def milliseconds(value: float | None) -> str:
    return ABSENT if value is None else amount(value) if value < 10 else f"{value:.0f}"
