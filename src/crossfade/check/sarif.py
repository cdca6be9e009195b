"""Findings as SARIF 2.1.0, which code hosting shows beside the lines of a change (OASIS SARIF, §3)."""

from hashlib import sha256
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from crossfade import __version__
from crossfade.check.report import codes_of, subject_of, text_of
from crossfade.check.run import Checked, Finding
from crossfade.gateway_files.given import STDIN_NAME

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_report(checked: Checked) -> dict[str, Any]:
    codes = list(codes_of(checked))
    driver = {
        "name": "crossfade",
        "semanticVersion": __version__,
        "rules": [{"id": code, "shortDescription": {"text": _title(code)}} for code in codes],
    }
    results = [_result(finding, codes.index(finding.code)) for finding in checked.findings]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }


def _title(code: str) -> str:
    return code.replace(".", ": ").replace("-", " ")


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    subject = subject_of(finding)
    text = ": ".join(filter(None, (subject, text_of(finding))))
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": _uri(finding.path)}}}
    if finding.line:
        location["physicalLocation"]["region"] = {"startLine": finding.line}
    if subject:
        location["logicalLocations"] = [{"fullyQualifiedName": subject, "kind": "object"}]
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity.value,
        "message": {"text": f"{text}. Way out: {finding.hint}" if finding.hint else text},
        "locations": [location],
        "partialFingerprints": {"crossfade/v1": _fingerprint(finding)},
    }


def _fingerprint(finding: Finding) -> str:
    """The same for the same fault wherever it moves to in its file."""
    return sha256("\0".join((finding.path, finding.code, subject_of(finding), finding.message)).encode()).hexdigest()


def _uri(path: str) -> str:
    """Relative ones are to the directory that the check ran in."""
    if path == STDIN_NAME:
        return "stdin"
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(pure.as_posix())
