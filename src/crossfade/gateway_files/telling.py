"""What to tell people about a state: each thing once, and again when it is in order again."""

from collections.abc import Iterable, Mapping

from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.gateway_files.facts import Fact, Subject, facts_of, line_of
from crossfade.gateway_files.lines import Lines
from crossfade.gateway_files.message import Message
from crossfade.gateway_files.source import FileState
from crossfade.gateway_files.uses import Place, Use
from crossfade_kube.meta import ObjectRef


class Telling:
    """Remembers what was said last."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._uses: Mapping[ObjectRef, Use] = {}
        self._named: Mapping[str, Place] | None = None
        self._known: Mapping[Fact, Place] = {}
        self._wrong: frozenset[Subject] = frozenset()
        self._noted: frozenset[Subject] = frozenset()
        """What has an error, or a warning."""

    @property
    def wrong_count(self) -> int:
        """Objects and files that have an error."""
        return len(self._wrong)

    def news(self, state: FileState, diagnostics: Iterable[Diagnostic]) -> list[Message]:
        facts = facts_of(state, diagnostics, elsewhere=self._folder)
        wrong = frozenset(fact.subject for fact in facts if fact.severity is Severity.ERROR)
        noted = frozenset(fact.subject for fact in facts if fact.severity is not Severity.NOTE)
        lines = Lines()
        told = [_message(fact, place, lines) for fact, place in facts.items() if fact not in self._known]
        told += [
            _cured(subject, state, lines)
            for subject in sorted((self._wrong - wrong) | (self._noted - noted), key=str)
            if self._is_there(subject, state)
        ]
        self._known, self._wrong, self._noted = facts, wrong, noted
        return told

    def note(self, state: FileState) -> None:
        """Where objects are now, for `about`."""
        self._uses, self._named = state.uses, None

    def about(self, ref: ObjectRef, text: str) -> Message:
        """An error of an object as a whole."""
        use = self._uses.get(ref._replace(uid=""))
        place = Place(self._folder) if use is None else use.place
        return _message(Fact(Subject(place.path, ref), "", text, "", Severity.ERROR), place, Lines())

    def place_of(self, name: str) -> str:
        """File and line of the object that is called so; empty if there is none."""
        if self._named is None:
            self._named = {str(ref): use.place for ref, use in self._uses.items()}
        place = self._named.get(name)
        return "" if place is None else _shown(place, Lines())

    def _is_there(self, subject: Subject, state: FileState) -> bool:
        if subject.ref is None:
            return subject.path == self._folder or subject.path in state.paths
        return subject.ref in state.uses


def _message(fact: Fact, place: Place, lines: Lines) -> Message:
    return Message(_shown(place, lines), fact.text, fact.severity, fact.hint)


def _cured(subject: Subject, state: FileState, lines: Lines) -> Message:
    use = state.uses.get(subject.ref) if subject.ref is not None else None
    where = _shown(use.place, lines) if use is not None else subject.path
    return Message(where, f"{subject.ref or 'it'} is in order again")


def _shown(place: Place, lines: Lines) -> str:
    line = line_of(place, lines)
    return f"{place.path}:{line}" if line else place.path
