"""Tables and paragraphs of Markdown."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Empty without rows. A column in which no row says anything is left out."""
    rows = list(rows)
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    if not rows:
        return ""
    lines = [[header[index] for index in kept], ["---"] * len(kept)]
    lines += [[_cell(row[index]) for index in kept] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def page(*parts: str) -> str:
    """Parts with an empty line between them; empty ones are left out."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip("\n")) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
