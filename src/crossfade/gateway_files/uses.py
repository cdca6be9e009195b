"""Which objects of all files are in use: of one that several files define, the first file's."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from crossfade.compile.diagnostics import Severity
from crossfade.gateway_files.documents import Document
from crossfade.gateway_files.reading import Problem
from crossfade_kube.meta import ObjectRef


class Place(NamedTuple):
    """Where something is said to be: `position` and `field` as in `Found` and `Problem`; no document: the file."""

    path: str
    document: Document | None = None
    position: tuple[int, ...] = ()
    field: str = ""
    line: int = 0


class Report(NamedTuple):
    """What is wrong in the files, besides what compiling finds. `ref` is None for a file as a whole."""

    place: Place
    ref: ObjectRef | None
    problem: Problem
    effect: str = ""


class Use(NamedTuple):
    """An object in use and where it is from; `is_valid` is false for what only closes routes."""

    item: Any
    place: Place
    is_valid: bool = True


FileUses = Mapping[ObjectRef, Use]
"""What one file says; another mapping when the file has changed."""


class Merged(NamedTuple):
    """`changed` are the objects that are new, different (both in `present`) or gone since the last time."""

    uses: Mapping[ObjectRef, Use]
    duplicates: tuple[Report, ...]
    changed: tuple[ObjectRef, ...]
    present: tuple[Any, ...]
    gone: tuple[Any, ...]


class Merging:
    """Remembers the last time: one changed file among many costs little more than itself."""

    def __init__(self) -> None:
        self._files: Sequence[FileUses] = ()
        self._uses: dict[ObjectRef, Use] = {}
        self._has_several = False
        """Some object is in more than one file."""

    def merge(self, files: Sequence[FileUses]) -> Merged:
        """`files` in their order."""
        before = self._uses
        duplicates: list[Report] = []
        followed = self._follow(files)
        if followed is None:
            self._uses, duplicates = _merged(files)
            self._has_several = len(self._uses) != sum(map(len, files))
            followed = (before, self._uses)
        self._files = files
        old, new = followed
        uses = self._uses
        present = [ref for ref in new if ref not in before or before[ref].item is not uses[ref].item]
        gone = [ref for ref in old if ref not in uses]
        items = tuple(uses[ref].item for ref in present)
        return Merged(uses, tuple(duplicates), (*present, *gone), items, tuple(before[ref].item for ref in gone))

    def _follow(self, files: Sequence[FileUses]) -> tuple[Iterable[ObjectRef], Iterable[ObjectRef]] | None:
        """The objects of the changed files, before and now; None where all files have to be looked at."""
        if self._has_several or len(files) != len(self._files):
            return None
        changed = [(old, new) for old, new in zip(self._files, files, strict=True) if old is not new]
        uses = self._uses.copy()
        for old, _ in changed:
            for ref in old:
                del uses[ref]
        for _, new in changed:
            if not uses.keys().isdisjoint(new):
                return None
            uses |= new
        self._uses = uses
        return [ref for old, _ in changed for ref in old], [ref for _, new in changed for ref in new]


def _merged(files: Sequence[FileUses]) -> tuple[dict[ObjectRef, Use], list[Report]]:
    uses: dict[ObjectRef, Use] = {}
    duplicates = []
    for file in files:
        for ref, use in file.items():
            first = uses.get(ref)
            if first is None or (use.is_valid and not first.is_valid):
                uses[ref] = use
            elif use.is_valid:
                duplicates.append(duplicate(use.place, ref, first.place))
    return uses, duplicates


def duplicate(place: Place, ref: ObjectRef, first: Place) -> Report:
    text = f"already defined in {first.path}, which is used"
    return Report(place, ref, Problem("", text, "keep one of them", Severity.WARNING, "object.duplicate"))
