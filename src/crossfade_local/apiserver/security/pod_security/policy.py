"""What a namespace's labels `pod-security.kubernetes.io/…` ask for, and what is wrong with them."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

PREFIX: Final = "pod-security.kubernetes.io/"
PRIVILEGED: Final = "privileged"
BASELINE: Final = "baseline"
RESTRICTED: Final = "restricted"
LEVELS: Final = (PRIVILEGED, BASELINE, RESTRICTED)
LATEST: Final = 1_000_000
"""The minor version that stands for `latest`: newer than any."""
_VERSION: Final = re.compile(r"v1\.([0-9]|[1-9][0-9]*)")
_MAX_DIGITS: Final = 6


class Standard(NamedTuple):
    """A level as of a minor version of Kubernetes 1."""

    level: str = PRIVILEGED
    version: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.version == LATEST else f'v1.{self.version}'}"

    def is_stricter_than(self, other: "Standard") -> bool:
        return LEVELS.index(self.level) > LEVELS.index(other.level)


class BadLabel(NamedTuple):
    label: str
    value: str
    problem: str


class Policy(NamedTuple):
    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()
    bad: tuple[BadLabel, ...] = ()


def policy_of(labels: Mapping[str, str]) -> Policy:
    """What is no level enforces the strictest, and audits or warns of nothing; what is no version is the newest."""
    bad: list[BadLabel] = []
    enforce, audit, warn = (_standard(labels, mode, bad) for mode in ("enforce", "audit", "warn"))
    return Policy(enforce, audit, warn, tuple(bad))


def _standard(labels: Mapping[str, str], mode: str, bad: list[BadLabel]) -> Standard:
    level = labels.get(label := PREFIX + mode, PRIVILEGED)
    if level not in LEVELS:
        bad.append(BadLabel(label, level, f"must be one of {', '.join(LEVELS)}"))
        level = RESTRICTED if mode == "enforce" else PRIVILEGED
    version = labels.get(label := f"{PREFIX}{mode}-version", "latest")
    match = _VERSION.fullmatch(version)
    if version != "latest" and (match is None or len(match.group(1)) > _MAX_DIGITS):
        bad.append(BadLabel(label, version, 'must be "latest" or "v1.x"'))
    minor = int(match.group(1)) if match and len(match.group(1)) <= _MAX_DIGITS else LATEST
    return Standard(level, min(minor, LATEST))
