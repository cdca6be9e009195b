"""What was found, for people and for programs."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from crossfade.check.run import Checked, Finding
from crossfade.compile.diagnostics import Severity


def text_of(finding: Finding) -> str:
    """What is wrong and what follows, on one line."""
    return " ".join((f"{finding.message}; {finding.effect}" if finding.effect else finding.message).split())


def place_of(finding: Finding) -> str:
    return f"{finding.path}:{finding.line}" if finding.line else finding.path


def subject_of(finding: Finding) -> str:
    return ", ".join(filter(None, (str(finding.ref or ""), finding.field)))


def summary(checked: Checked) -> str:
    """One sentence."""
    parts = [_counted(checked.count(severity), severity) for severity in (Severity.ERROR, Severity.WARNING)]
    files = f"{_counted(checked.objects, 'valid object')} in {_counted(checked.files, 'file')}"
    notes = (each for each in checked.findings if each.severity is Severity.NOTE and each.code == "kind.unread")
    unread = Counter(each.ref.kind for each in notes if each.ref is not None)
    kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(unread.items()))
    return f"{files}: {', '.join(parts)}{f'; not read: {kinds}' if kinds else ''}"


def json_report(checked: Checked) -> dict[str, Any]:
    return {
        "files": checked.files,
        "objects": checked.objects,
        "errors": checked.count(Severity.ERROR),
        "warnings": checked.count(Severity.WARNING),
        "findings": list(map(_json, checked.findings)),
    }


def _json(finding: Finding) -> dict[str, Any]:
    ref = finding.ref
    named = None
    if ref is not None:
        named = {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}
    return {
        "file": finding.path,
        "line": finding.line or None,
        "severity": finding.severity.value,
        "code": finding.code,
        "object": named,
        "field": finding.field,
        "message": finding.message,
        "effect": finding.effect,
        "hint": finding.hint,
    }


def codes_of(checked: Checked) -> Iterator[str]:
    """Each once, ordered."""
    yield from sorted({finding.code for finding in checked.findings})


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
