"""What went wrong with which object, what it means for traffic, and the way out; collected, never raised."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from msgspec import Struct

from crossfade_kube.meta import ObjectRef

# Characters; an Event holds 1024 with all that stands around a message.
_MOST_SHOWN: Final = 600
UNREADABLE: Final = "object.unreadable"
"""The code of what is said of an object that no struct can hold."""


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    """Nothing is wrong; somebody may still wonder."""


class Diagnostic(Struct, frozen=True, order=True):
    """`code` is stable and dotted (`route.unknown-target`); `field` is a JSON path within the object or empty."""

    ref: ObjectRef
    code: str
    message: str
    effect: str = ""
    hint: str = ""
    field: str = ""
    severity: Severity = Severity.ERROR

    @property
    def placed_message(self) -> str:
        """Where only the object is known: the message behind its field, unless it names that itself."""
        annotation = self.field.partition("metadata.annotations[")[2].rstrip("]")
        is_named = not self.field or self.field in self.message or (annotation and annotation in self.message)
        return self.message if is_named else f"{self.field}: {self.message}"

    def __str__(self) -> str:
        where = f"{self.ref}, {self.field}" if self.field else str(self.ref)
        text = f"{where}: {self.message}"
        if self.effect:
            text += f"; {self.effect}"
        return f"{text}\nhint: {self.hint}" if self.hint else text


class Fault(Struct, frozen=True, eq=False):
    """A bug of ours that an object brought to light (see `isolate`); two are never equal."""

    ref: ObjectRef
    field: str
    exception: Exception


class Diagnostics:
    """Collector handed through the passes; iterating yields a deterministic order without duplicates.

    `faults` are for the log: each has a diagnostic for the author as well.
    """

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._found: set[Diagnostic] = set()

    def error(self, ref: ObjectRef, code: str, message: str, *, effect: str, hint: str = "", field: str = "") -> None:
        """The object, or part of it, has no effect as written."""
        self._found.add(Diagnostic(ref, code, _shown(message), effect, _shown(hint), _shown(field), Severity.ERROR))

    def warning(
        self, ref: ObjectRef, code: str, message: str, *, effect: str = "", hint: str = "", field: str = ""
    ) -> None:
        """The object works, but perhaps not as its author thinks."""
        self._found.add(Diagnostic(ref, code, _shown(message), effect, _shown(hint), _shown(field), Severity.WARNING))

    def note(
        self, ref: ObjectRef, code: str, message: str, *, effect: str = "", hint: str = "", field: str = ""
    ) -> None:
        """Nothing is wrong with the object; its author may still wonder."""
        self._found.add(Diagnostic(ref, code, _shown(message), effect, _shown(hint), _shown(field), Severity.NOTE))

    @property
    def has_any(self) -> bool:
        return bool(self._found or self.faults)

    def include(self, other: "Diagnostics") -> None:
        """What was collected apart."""
        self._found.update(other)
        self.faults += other.faults

    def of(self, ref: ObjectRef) -> list[Diagnostic]:
        return [diagnostic for diagnostic in self if diagnostic.ref[:4] == ref[:4]]

    def by_ref(self) -> dict[ObjectRef, tuple[Diagnostic, ...]]:
        """Those of each object, ordered; the objects are in no order."""
        found: dict[ObjectRef, list[Diagnostic]] = {}
        for diagnostic in self._found:
            found.setdefault(diagnostic.ref, []).append(diagnostic)
        return {ref: tuple(sorted(said) if len(said) > 1 else said) for ref, said in found.items()}

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(sorted(self._found))

    def __len__(self) -> int:
        return len(self._found)


def _shown(text: str) -> str:
    """Messages quote what users wrote, which may be a megabyte, or hold what steers a terminal or forges a log line.

    Of a long text the beginning and the end say what it is about.
    """
    if len(text) > _MOST_SHOWN:
        text = f"{text[: _MOST_SHOWN * 2 // 3]} … {text[-_MOST_SHOWN // 3 :]}"
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
