"""What a migration keeps, changes and cannot keep."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from msgspec import Struct

from crossfade.check.run import Checked
from crossfade.compile.diagnostics import Severity


class Verdict(StrEnum):
    EXACT = "exact"
    DIFFERENT = "different"
    REFUSED = "refused"


class Entry(Struct, frozen=True, order=True):
    """`entity` is what it was called before, `field` there or (with `object`) in the object that it has become."""

    entity: str
    field: str
    verdict: Verdict
    text: str
    object: str = ""
    hint: str = ""


class Kept(Struct, frozen=True, order=True):
    """An entity or object with the worst that is said of it."""

    entity: str
    objects: tuple[str, ...]
    verdict: Verdict


class Report(Struct, frozen=True):
    kept: tuple[Kept, ...]
    entries: tuple[Entry, ...]

    def count(self, verdict: Verdict) -> int:
        return sum(one.verdict is verdict for one in self.kept)

    def as_json(self) -> dict[str, Any]:
        return {
            "exact": self.count(Verdict.EXACT),
            "different": self.count(Verdict.DIFFERENT),
            "refused": self.count(Verdict.REFUSED),
            "entities": [
                {"entity": one.entity, "objects": list(one.objects), "verdict": one.verdict.value} for one in self.kept
            ],
            "entries": [
                {name: str(getattr(entry, name)) for name in ("entity", "object", "field", "verdict", "text", "hint")}
                for entry in self.entries
            ],
        }


def report_of(entities: dict[str, list[str]], entries: Iterable[Entry]) -> Report:
    """`entities` with the objects that they have become."""
    ordered = tuple(sorted(set(entries)))
    worst: dict[str, Verdict] = {}
    for entry in ordered:
        worst[entry.entity] = max(worst.get(entry.entity, Verdict.EXACT), entry.verdict, key=list(Verdict).index)
    names = dict.fromkeys((*entities, *worst))
    kept = (Kept(name, tuple(entities.get(name, ())), worst.get(name, Verdict.EXACT)) for name in names)
    return Report(tuple(kept), ordered)


def entries_of(checked: Checked, entities: dict[str, str]) -> Iterable[Entry]:
    """What `crossfade check` says of the objects; `entities` says what an object (`Kind namespace/name`) was before."""
    verdicts = {Severity.ERROR: Verdict.REFUSED, Severity.WARNING: Verdict.DIFFERENT}
    for finding in checked.findings:
        verdict = verdicts.get(finding.severity)
        if verdict is None:
            continue
        subject = str(finding.ref) if finding.ref is not None else finding.path
        text = f"{finding.message}; {finding.effect}" if finding.effect else finding.message
        yield Entry(entities.get(subject, subject), finding.field, verdict, text, subject, finding.hint)
