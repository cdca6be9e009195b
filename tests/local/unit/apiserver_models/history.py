"""What lists and watches must show, from Kubernetes' documentation of its API: all versions ever, looked through.

Slow and plain on purpose; not one word of the server's code.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

Key = tuple[str, str]


class Shown(NamedTuple):
    """One version of an object, as far as the tests make them."""

    key: Key
    labels: tuple[tuple[str, str], ...]
    value: str
    ending: bool

    @classmethod
    def of(cls, obj: dict[str, Any]) -> "Shown":
        metadata = obj["metadata"]
        return cls(
            (metadata["namespace"], metadata["name"]),
            tuple(sorted((metadata.get("labels") or {}).items())),
            (obj.get("data") or {}).get("v", ""),
            "deletionTimestamp" in metadata,
        )


class Change(NamedTuple):
    revision: int
    before: Shown | None
    after: Shown | None


class Told(NamedTuple):
    """An event of a watch."""

    type: str
    revision: int
    shown: Shown


class Choice(NamedTuple):
    """What a client selects."""

    namespace: str | None = None
    label: str = ""
    """`a=1`, `a!=1`, `a`, `!a` or `a in (1,2)`."""
    name: str = ""

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/configmaps" if self.namespace else "/api/v1/configmaps"

    @property
    def query(self) -> dict[str, str]:
        found = {"labelSelector": self.label} if self.label else {}
        return found | ({"fieldSelector": f"metadata.name={self.name}"} if self.name else {})

    def has(self, shown: Shown | None) -> bool:
        if shown is None or (self.namespace and shown.key[0] != self.namespace):
            return False
        return (not self.name or shown.key[1] == self.name) and self._labelled(dict(shown.labels))

    def _labelled(self, labels: dict[str, str]) -> bool:
        match self.label:
            case "":
                return True
            case "a=1":
                return labels.get("a") == "1"
            case "a!=1":
                return labels.get("a") != "1"
            case "a":
                return "a" in labels
            case "!a":
                return "a" not in labels
            case "a in (1,2)":
                return labels.get("a") in ("1", "2")
        raise ValueError(self.label)


@dataclass
class History:
    changes: list[Change] = field(default_factory=list)

    def at(self, revision: int) -> dict[Key, tuple[int, Shown]]:
        """Each object that there was, with the revision of its version."""
        found: dict[Key, tuple[int, Shown]] = {}
        for change in self.changes:
            if change.revision > revision:
                break
            if change.after is not None:
                found[change.after.key] = (change.revision, change.after)
            elif change.before is not None:
                del found[change.before.key]
        return found

    def listed(self, choice: Choice, revision: int) -> list[tuple[int, Shown]]:
        found = self.at(revision)
        return [found[key] for key in sorted(found) if choice.has(found[key][1])]

    def told(self, choice: Choice, since: int) -> list[Told]:
        """What a watch from a revision is told: what comes into view is added, what leaves it is deleted."""
        return [told for change in self.changes if change.revision > since for told in _told(choice, change)]


def _told(choice: Choice, change: Change) -> list[Told]:
    was, now = choice.has(change.before), choice.has(change.after)
    if now:
        assert change.after is not None
        return [Told("MODIFIED" if was else "ADDED", change.revision, change.after)]
    if was:
        assert change.before is not None
        return [Told("DELETED", change.revision, change.before)]
    return []
