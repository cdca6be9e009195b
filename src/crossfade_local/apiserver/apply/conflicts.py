"""Conflicts of a server-side apply, in Kubernetes' words."""

from collections.abc import Iterable
from typing import NamedTuple

from crossfade_kube.meta import JsonObject
from crossfade_local.apiserver.apply.field_set import Path, display
from crossfade_local.apiserver.apply.managers import ManagerKey
from crossfade_local.apiserver.values.gotext import quoted


class Conflict(NamedTuple):
    """A field that someone else manages with another value."""

    manager: ManagerKey
    path: Path

    @property
    def who(self) -> str:
        found = quoted(self.manager.manager)
        if self.manager.subresource:
            found += f" with subresource {quoted(self.manager.subresource)}"
        if self.manager.operation == "Update":
            found += f" using {self.manager.api_version}"
        return found


class ApplyConflict(Exception):  # noqa: N818  # "conflict" is the API's word
    """The apply would take fields from other managers; `causes` and `status()` are what the API answers (409)."""

    def __init__(self, conflicts: Iterable[Conflict]) -> None:
        self.conflicts = tuple(conflicts)
        self.causes: list[JsonObject] = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {item.who}", "field": display(item.path)}
            for item in self.conflicts
        ]
        super().__init__(self.message)

    @property
    def message(self) -> str:
        if len(self.conflicts) == 1:
            only = self.conflicts[0]
            return f"Apply failed with 1 conflict: conflict with {only.who}: {display(only.path)}"
        lines = []
        for manager in sorted({item.manager for item in self.conflicts}):
            own = [item for item in self.conflicts if item.manager == manager]
            lines.append(f"conflicts with {own[0].who}:")
            lines += [f"- {display(item.path)}" for item in own]
        return f"Apply failed with {len(self.conflicts)} conflicts: " + "\n".join(lines)

    def status(self) -> JsonObject:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": "Conflict",
            "details": {"causes": self.causes},
            "code": 409,
        }
