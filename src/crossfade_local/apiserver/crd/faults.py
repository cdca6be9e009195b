"""What is wrong with an expression, and where."""

from typing import Final, NamedTuple

_MOST: Final = 100


class Fault(NamedTuple):
    """What is wrong, in the compiler's words, and where in the text."""

    place: int
    said: str


def listed(text: str, faults: list[Fault]) -> str:
    """No more of them than Kubernetes' compiler reports: each shows the whole line."""
    found = [_placed(text, fault) for fault in sorted(faults[:_MOST], key=lambda fault: fault.place)]
    if len(faults) > _MOST:
        found.append(f"{len(faults) - _MOST} more errors were truncated")
    return "\n".join(found)


def _placed(text: str, fault: Fault) -> str:
    before = text[: fault.place].split("\n")
    line, column = text.split("\n")[len(before) - 1], len(before[-1])
    marks = "".join(_narrow_or_wide(character, ".．") for character in line[:column])
    mark = _narrow_or_wide(line[column : column + 1], "^＾")
    return f"ERROR: <input>:{len(before)}:{column + 1}: {fault.said}\n | {line}\n | {marks}{mark}".replace("\t", " ")


def _narrow_or_wide(character: str, marks: str) -> str:
    return marks[0] if character.isascii() else marks[1]
