"""A directory of manifests as snapshots: what is valid now, and of each refused object its last valid state.

The same text gives the very same objects again, wherever it moves to. A file that cannot be read or is no YAML stays as
it was, as a whole: half a file is no manifest. Blocking, for one thread at a time.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from crossfade.compile.diagnostics import Severity
from crossfade.gateway_files.directory import PROTO, Change, Files, Gone, Text, Unreadable
from crossfade.gateway_files.documents import Document, SyntaxTrouble, documents
from crossfade.gateway_files.objects import Found, objects_of
from crossfade.gateway_files.protos import proto_file
from crossfade.gateway_files.reading import Problem, Reading
from crossfade.gateway_files.uses import Merging, Place, Report, Use, duplicate
from crossfade.store.snapshot import Snapshot
from crossfade_kube.meta import ObjectRef

KEPT: Final = "its last valid state stays in use"
FILE_KEPT: Final = "the file's last valid content stays in use"
FILE_UNUSED: Final = "nothing of the file is used"
NAMELESS: Final = "it is left out"
NAMELESS_KEPT: Final = "it is left out; what the file no longer names stays in use until this is corrected"
_CLOSES: Final = "requests to the routes that use it are answered 503, and consumers that carry it are not known"
_WITHOUT: Final[Mapping[str, str]] = {
    "Ingress": "its rules match no request",
    "KongPlugin": _CLOSES,
    "KongClusterPlugin": _CLOSES,
    "KongConsumer": "the consumer's credentials are not accepted",
    "Service": "requests to its routes are answered 503",
    "EndpointSlice": "its addresses get no requests",
}
_OTHERWISE: Final = "it counts as absent"


class FileState(NamedTuple):
    """`reports` are about the files as they are now, `uses` says what each object is from (refs without uid).

    `changed` are the objects that are new, different or gone since the last state.
    """

    snapshot: Snapshot
    changed: tuple[ObjectRef, ...]
    reports: tuple[Report, ...]
    uses: Mapping[ObjectRef, Use]
    paths: frozenset[str]
    faults: tuple[Exception, ...] = ()


class _Read(NamedTuple):
    document: Document
    found: tuple[Found, ...]


class _File:
    def __init__(self, path: str) -> None:
        self.path = path
        self.text: str | None = None
        self.read: tuple[_Read, ...] = ()
        self.trouble: Report | None = None
        self.uses: dict[ObjectRef, Use] = {}
        self.reports: tuple[Report, ...] = ()


class FileSource:
    """Ask it to `refresh`, then for the `state`."""

    def __init__(self, files: Files, reading: Reading, *, now: Callable[[], datetime] | None = None) -> None:
        self._given = files
        self._reading = reading
        self._now = now or (lambda: datetime.now(UTC))
        self._files: dict[str, _File] = {}
        self._ordered: list[_File] = []
        self._paths: frozenset[str] = frozenset()
        self._trouble: Report | None = None
        self._time = ""
        """Of the last look."""
        self._first_seen: dict[ObjectRef, str] = {}
        self._snapshot = Snapshot(0, {})
        self._merging = Merging()

    @property
    def link_targets(self) -> frozenset[str]:
        return self._given.link_targets

    def refresh(self, names: Iterable[str] | None = None) -> bool:
        """Reads what changed, of these files or of all; whether anything did."""
        self._time = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            changes = self._given.changes(names)
        except OSError as error:
            return self._set_trouble(f"the directory cannot be read: {error.strerror or error}")
        is_changed = self._set_trouble("") if names is None else False
        # A document keeps its objects when it moves to another file.
        known = self._documents_of(changes)
        for name in sorted(changes):
            is_changed |= self._take(name, changes[name], known)
        return is_changed

    def state(self) -> FileState:
        self._order()
        merged = self._merging.merge([file.uses for file in self._ordered])
        reports = [self._trouble] if self._trouble is not None else []
        faults: list[Exception] = []
        for file in self._ordered:
            if file.reports:
                reports += file.reports
                faults += _faults(file)
        self._forget_dates(merged.uses)
        if merged.changed:
            self._snapshot = self._snapshot.with_changes(merged.present, merged.gone)
        return FileState(
            self._snapshot, merged.changed, (*reports, *merged.duplicates), merged.uses, self._paths, tuple(faults)
        )

    def _order(self) -> None:
        """Of objects in two files the first file's counts."""
        if len(self._ordered) != len(self._files) or any(
            one is not other for one, other in zip(self._ordered, self._files.values(), strict=True)
        ):
            self._files = dict(sorted(self._files.items()))
            self._ordered = list(self._files.values())
            self._paths = frozenset(file.path for file in self._ordered)

    def _set_trouble(self, problem: str) -> bool:
        before = self._trouble
        effect = "what it held stays in use" if self._files else "nothing is in use"
        self._trouble = Report(Place(self._given.name), None, _file_problem(problem), effect) if problem else None
        return self._trouble != before

    def _documents_of(self, names: Iterable[str]) -> dict[str, tuple[Found, ...]]:
        files = (self._files[name] for name in names if name in self._files)
        return {_key(read.document.text): read.found for file in files for read in file.read}

    def _take(self, name: str, change: Change, known: dict[str, tuple[Found, ...]]) -> bool:
        if isinstance(change, Gone):
            return self._files.pop(name, None) is not None
        file = self._files.setdefault(name, _File(self._given.path_of(name)))
        if isinstance(change, Unreadable):
            return _set_file_trouble(file, Place(file.path), f"cannot be read: {change.reason}")
        if change.content == file.text and (file.trouble is None or file.trouble.place.line):
            return False
        file.text = change.content
        return self._take_text(file, change, known)

    def _take_text(self, file: _File, change: Text, known: dict[str, tuple[Found, ...]]) -> bool:
        if file.path.endswith(PROTO):
            file.trouble = None
            file.read = (_Read(Document(change.content, 1), (proto_file(file.path, change.content),)),)
            _use(file)
            return True
        read = []
        for document in documents(change.content):
            try:
                read.append(_Read(document, self._found(document, known, is_json=file.path.endswith(".json"))))
            except SyntaxTrouble as error:
                line = document.line + min(max(error.line - 1, 0), document.text.rstrip("\n").count("\n"))
                column = f" (column {error.column})" if error.column else ""
                return _set_file_trouble(file, Place(file.path, line=line), f"{error.problem}{column}")
        file.trouble = None
        file.read = tuple(read)
        _use(file)
        return True

    def _found(self, document: Document, known: dict[str, tuple[Found, ...]], *, is_json: bool) -> tuple[Found, ...]:
        key = _key(document.text)
        if key not in known:
            known[key] = tuple(map(self._dated, objects_of(document.text, self._reading, is_json=is_json)))
        return known[key]

    def _dated(self, found: Found) -> Found:
        """Without a creation time of its own an object was created when it was first seen."""
        if found.ref is None or (found.item is None and found.closing is None):
            return found
        seen = self._first_seen.setdefault(found.ref, self._time)
        return replace(found, item=_created(found.item, seen), closing=_created(found.closing, seen))

    def _forget_dates(self, uses: Mapping[ObjectRef, Use]) -> None:
        if len(self._first_seen) > len(uses):
            self._first_seen = {ref: seen for ref, seen in self._first_seen.items() if ref in uses}


def _key(text: str) -> str:
    """A file's first document mostly lacks the mark that it needs further down."""
    return text.removeprefix("---\n")


def _created(item: Any, time: str) -> Any:
    if item is None or item.metadata.creation_timestamp:
        return item
    return replace(item, metadata=replace(item.metadata, creation_timestamp=time))


def _file_problem(text: str) -> Problem:
    return Problem("", text, code="file.unreadable")


def _set_file_trouble(file: _File, place: Place, problem: str) -> bool:
    before = file.trouble
    effect = FILE_KEPT if file.uses else FILE_UNUSED
    file.trouble = Report(place, None, _file_problem(problem), effect)
    file.uses = _without_lines(file, file.uses)
    # What was refused before stays refused.
    kept = (each._replace(place=Place(file.path)) for each in file.reports if each is not before)
    file.reports = (file.trouble, *kept)
    return file.trouble != before


def _use(file: _File) -> None:
    """Decides what of a file counts: what it says now, and the last valid state of what it says wrongly."""
    before = {ref: use for ref, use in file.uses.items() if use.is_valid}
    uses: dict[ObjectRef, Use] = {}
    refused: list[tuple[Document, Found]] = []
    reports: list[Report] = []
    for document, found in ((read.document, found) for read in file.read for found in read.found):
        place = Place(file.path, document, found.position)
        if found.is_refused:
            refused.append((document, found))
        else:
            reports += (Report(place._replace(field=each.field), found.ref, each) for each in found.problems)
        if found.item is not None and found.ref is not None:
            if found.ref in uses:
                reports.append(duplicate(place, found.ref, uses[found.ref].place))
            uses.setdefault(found.ref, Use(found.item, place))
    nameless = any(found.ref is None for _, found in refused)
    for document, found in refused:
        place = Place(file.path, document, found.position)
        effect = _effect(found, before, is_kept=bool(before))
        for each in found.problems:
            what_follows = effect if each.severity is Severity.ERROR else ""
            reports.append(Report(place._replace(field=each.field), found.ref, each, what_follows))
        if found.ref is not None and found.ref in before:
            uses.setdefault(found.ref, before[found.ref]._replace(place=place))
        elif found.ref is not None and found.closing is not None:
            uses.setdefault(found.ref, Use(found.closing, place, is_valid=False))
    if nameless:
        uses = {**_without_lines(file, before), **uses}
    file.uses, file.reports = uses, tuple(reports)


def _without_lines(file: _File, uses: Mapping[ObjectRef, Use]) -> dict[ObjectRef, Use]:
    """The text that they were read from is no longer in the file."""
    return {ref: use._replace(place=Place(file.path)) for ref, use in uses.items()}


def _effect(found: Found, before: Mapping[ObjectRef, Use], *, is_kept: bool) -> str:
    if found.ref is None:
        return NAMELESS_KEPT if is_kept else NAMELESS
    return KEPT if found.ref in before else _WITHOUT.get(found.ref.kind, _OTHERWISE)


def _faults(file: _File) -> Iterator[Exception]:
    return (found.fault for read in file.read for found in read.found if found.fault is not None)
