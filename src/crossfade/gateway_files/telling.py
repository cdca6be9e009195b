"""What to tell people about a state: each thing once, and again when it is in order again."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.gateway_files.lines import Lines
from crossfade.gateway_files.source import FileState
from crossfade.gateway_files.uses import Place, Report, Use
from crossfade_kube.meta import ObjectRef


class Message(NamedTuple):
    """One fact; `where` is a file and line, or a part of the gateway. Without severity it is information."""

    where: str
    text: str
    severity: Severity | None = None
    hint: str = ""


class _Subject(NamedTuple):
    """Without `ref`: the file as a whole, or something in it that has no name."""

    path: str
    ref: ObjectRef | None


class _Fact(NamedTuple):
    """Lines are left out: what moves within a file is no news."""

    subject: _Subject
    field: str
    text: str
    severity: Severity
    hint: str


class Telling:
    """Remembers what was said last."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._uses: Mapping[ObjectRef, Use] = {}
        self._known: Mapping[_Fact, Place] = {}
        self._wrong: frozenset[_Subject] = frozenset()

    @property
    def wrong_count(self) -> int:
        """Objects and files that have an error."""
        return len(self._wrong)

    def news(self, state: FileState, diagnostics: Iterable[Diagnostic]) -> list[Message]:
        facts = dict([*map(_reported, state.reports), *self._compiled(state.uses, diagnostics)])
        wrong = frozenset(fact.subject for fact in facts if fact.severity is Severity.ERROR)
        lines = Lines()
        told = [_message(fact, place, lines) for fact, place in facts.items() if fact not in self._known]
        told += [
            _cured(subject, state, lines)
            for subject in sorted(self._wrong - wrong, key=str)
            if self._is_there(subject, state)
        ]
        self._known, self._wrong = facts, wrong
        return told

    def note(self, state: FileState) -> None:
        """Where objects are now, for `about`."""
        self._uses = state.uses

    def about(self, ref: ObjectRef, text: str) -> Message:
        """An error of an object as a whole."""
        use = self._uses.get(ref._replace(uid=""))
        place = Place(self._folder) if use is None else use.place
        return _message(_Fact(_Subject(place.path, ref), "", text, Severity.ERROR, ""), place, Lines())

    def _is_there(self, subject: _Subject, state: FileState) -> bool:
        if subject.ref is None:
            return subject.path == self._folder or subject.path in state.paths
        return subject.ref in state.uses

    def _compiled(
        self, uses: Mapping[ObjectRef, Use], diagnostics: Iterable[Diagnostic]
    ) -> Iterator[tuple[_Fact, Place]]:
        for item in diagnostics:
            use = uses.get(item.ref._replace(uid=""))
            if use is None:
                place = Place(self._folder)
            elif use.is_valid:
                place = use.place._replace(field=item.field)
            else:
                # Its report says why it is refused and what that means.
                continue
            text = f"{item.message}; {item.effect}" if item.effect else item.message
            yield _Fact(_Subject(place.path, item.ref), item.field, text, item.severity, item.hint), place


def _reported(report: Report) -> tuple[_Fact, Place]:
    problem = report.problem
    text = f"{problem.message}; {report.effect}" if report.effect else problem.message
    fact = _Fact(_Subject(report.place.path, report.ref), problem.field, text, problem.severity, problem.hint)
    return fact, report.place


def _message(fact: _Fact, place: Place, lines: Lines) -> Message:
    what = ", ".join(filter(None, (str(fact.subject.ref or ""), fact.field)))
    text = ": ".join(filter(None, (what, fact.text)))
    return Message(_shown(place, lines), text.replace("\n", " "), fact.severity, fact.hint)


def _cured(subject: _Subject, state: FileState, lines: Lines) -> Message:
    use = state.uses.get(subject.ref) if subject.ref is not None else None
    where = _shown(use.place, lines) if use is not None else subject.path
    return Message(where, f"{subject.ref or 'it'} is in order again")


def _shown(place: Place, lines: Lines) -> str:
    if place.line:
        return f"{place.path}:{place.line}"
    if place.document is None:
        return place.path
    line = place.document.line + lines.of(place.document.text, place.position, place.field)
    return f"{place.path}:{line}"
