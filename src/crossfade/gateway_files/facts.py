"""What is wrong in a state of the files, each with its place: what reading found and what compiling found."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from crossfade.compile.diagnostics import Diagnostic, Severity
from crossfade.gateway_files.lines import Lines
from crossfade.gateway_files.source import FileState
from crossfade.gateway_files.uses import Place, Report, Use
from crossfade_kube.meta import ObjectRef


class Subject(NamedTuple):
    """Without `ref`: the file as a whole, or something in it that has no name."""

    path: str
    ref: ObjectRef | None


class Fact(NamedTuple):
    """Lines are left out: what moves within a file is no news."""

    subject: Subject
    field: str
    message: str
    effect: str
    severity: Severity
    hint: str = ""
    code: str = ""

    @property
    def text(self) -> str:
        """On one line."""
        what = ", ".join(filter(None, (str(self.subject.ref or ""), self.field)))
        said = f"{self.message}; {self.effect}" if self.effect else self.message
        return ": ".join(filter(None, (what, said))).replace("\n", " ")


def facts_of(state: FileState, diagnostics: Iterable[Diagnostic], *, elsewhere: str) -> dict[Fact, Place]:
    """In order; `elsewhere` is the place of objects that no file names."""
    return dict([*map(_reported, state.reports), *_compiled(state.uses, diagnostics, elsewhere)])


def line_of(place: Place, lines: Lines) -> int:
    """From 1; 0 for a file as a whole."""
    if place.line or place.document is None:
        return place.line
    return place.document.line + lines.of(place.document.text, place.position, place.field)


def _reported(report: Report) -> tuple[Fact, Place]:
    problem = report.problem
    subject = Subject(report.place.path, report.ref)
    fact = Fact(
        subject, problem.field, problem.message, report.effect, problem.severity, problem.hint, code=problem.code
    )
    return fact, report.place


def _compiled(
    uses: Mapping[ObjectRef, Use], diagnostics: Iterable[Diagnostic], elsewhere: str
) -> Iterator[tuple[Fact, Place]]:
    for item in diagnostics:
        use = uses.get(item.ref._replace(uid=""))
        if use is None:
            place = Place(elsewhere)
        elif use.is_valid:
            place = use.place._replace(field=item.field)
        else:
            # Its report says why it is refused and what that means.
            continue
        subject = Subject(place.path, item.ref)
        yield Fact(subject, item.field, item.message, item.effect, item.severity, item.hint, item.code), place
