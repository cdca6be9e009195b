"""Reads a plugin's README.md, which is written for users and for those who work on the plugin alike."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct

# The list of the folder's files, which is of no use to users.
_FILES: Final = re.compile(r"^- `\w+\.py`.*\n(?:  .*\n)*", re.MULTILINE)
_NOTE: Final = re.compile(r"^- ((?:`[^`]+`(?:, | and )?)+): (.*\n(?:  .*\n)*)", re.MULTILINE)
_FIELDS: Final = "Fields"
_SPECIFICATION: Final = re.compile(r"\s*\((?:kong|appmesh)\.md [^)]*\)")


class Readme(Struct, frozen=True):
    """`notes` say what each field means; `sections` are the others, as heading and text."""

    title: str
    lead: str
    before_fields: str
    notes: dict[str, str]
    after_fields: str
    sections: tuple[tuple[str, str], ...]

    def note(self, path: str) -> str | None:
        return self.notes.get(path)

    def covers(self, path: str) -> bool:
        """Whether the field, or a record that it is in, is spoken of."""
        parts = path.split(".")
        return any(".".join(parts[:length]) in self.notes for length in range(1, len(parts) + 1))


def read(text: str) -> Readme:
    head, *parts = re.split(r"^## ", f"{text.rstrip()}\n", flags=re.MULTILINE)
    title, _, lead = head.removeprefix("# ").partition("\n")
    sections = [(name, body.strip("\n") + "\n") for name, _, body in (part.partition("\n") for part in parts)]
    fields = next((body for name, body in sections if name == _FIELDS), "")
    before, after = _around_notes(fields)
    return Readme(
        title=title.strip(),
        lead=re.sub(r"\n{3,}", "\n\n", _SPECIFICATION.sub("", _FILES.sub("", lead))).strip(),
        before_fields=before,
        notes=dict(_notes(fields)),
        after_fields=after,
        sections=tuple((name, body) for name, body in sections if name != _FIELDS),
    )


def _notes(fields: str) -> Iterator[tuple[str, str]]:
    for names, text in _NOTE.findall(fields):
        for name in re.findall(r"`([^`]+)`", names):
            yield name, " ".join(text.split())


def _around_notes(fields: str) -> tuple[str, str]:
    found = list(_NOTE.finditer(fields))
    if not found:
        return fields, ""
    # Paragraphs between notes belong to what stands behind the table.
    between = [fields[one.end() : two.start()] for one, two in pairwise(found)]
    return fields[: found[0].start()].strip(), "\n".join([*between, fields[found[-1].end() :]]).strip()
