"""A model of server-side apply: who owns which paths, and what that means for an object."""

import json
from dataclasses import dataclass, field
from typing import Any

from .shapes import CONTAINER, Path, Shape, children, flat, is_declared

Parts = dict[Path, Any]


class ConflictError(Exception):
    def __init__(self, conflicts: set[tuple[str, Path]]) -> None:
        self.conflicts = conflicts


@dataclass
class Owned:
    """An object's parts, and the paths that each manager owns."""

    shape: Shape
    parts: Parts = field(default_factory=dict)
    exists: bool = False
    owners: dict[str, set[Path]] = field(default_factory=dict)

    def apply(self, manager: str, config: Any, *, force: bool) -> None:
        """Raises ConflictError, and changes nothing then."""
        given = flat(self.shape, config)
        now, last = self._named(given), self.owners.get(manager, set())
        # What nobody is known to have written has an owner all the same.
        owners = self.owners or {"before-first-apply": set(self.parts)}
        others = {path for name, paths in owners.items() if name != manager for path in paths}
        merged = {**self.parts, **given}
        result = _without(merged, self._dropped(merged, last, others | now))
        emptied = {path for path in self._with_structs(last) if _is_list(merged, path) and not _is_list(result, path)}
        result = _without(result, emptied)
        removed, changed = _difference(self.parts, result)
        conflicts = {(name, path) for name, paths in owners.items() if name != manager for path in paths & changed}
        if conflicts and not force:
            raise ConflictError(conflicts)
        self.owners = owners
        self._take(manager, now, removed | changed)
        self.parts, self.exists = result, True

    def update(self, manager: str, new: Any) -> None:
        """Who writes an object owns what differs from what was there; where nobody owns anything, nobody comes to."""
        result = flat(self.shape, new)
        if self.exists and not self.owners:
            self.parts = result
            return
        removed, changed = _difference(self.parts, result)
        self._take(manager, changed | (self.owners.get(manager, set()) - removed), removed | changed)
        self.parts, self.exists = result, True

    def lacks_keys(self, defaulted: str) -> bool:
        """Some item's key was only its former manager's: such an object is refused by its schema."""
        items = [path for path in self.parts if path[-1].startswith("k:")]
        keys = [(*path, f"f:{key}") for path in items for key in json.loads(path[-1][2:]) if key != defaulted]
        return any(key not in self.parts for key in keys)

    def would_part_items(self, manager: str, config: Any) -> bool:
        """Whether an item loses its keys while something of others' in it stays.

        Kubernetes' library then takes what is left for another item, on the way, and removes more than that.
        """
        last = self.owners.get(manager, set()) - set(flat(self.shape, config))
        items = [path for path in last if path[-1].startswith("k:")]
        return any(part not in last for path in items for part in children(self.parts, path))

    def _take(self, manager: str, paths: set[Path], lost: set[Path]) -> None:
        """Who owned a path that another one changes owns it no longer."""
        owners = {name: owned - lost for name, owned in self.owners.items() if name != manager}
        self.owners = {name: owned for name, owned in {**owners, manager: paths}.items() if owned}

    def _named(self, given: Parts) -> set[Path]:
        """What an applied configuration owns: values, items, keys of maps, and structs that it leaves empty."""
        return {
            path
            for path, value in given.items()
            if value != CONTAINER or not is_declared(self.shape, path) or not children(given, path)
        }

    def _dropped(self, merged: Parts, last: set[Path], owned: set[Path]) -> set[Path]:
        """What the manager applied before, and neither it nor anybody else owns.

        A struct is owned by all who own something in it. An item, or a key of a map, is not: it goes with all of that.
        """
        return {path for path in self._with_structs(last) - self._with_structs(owned) if path in merged}

    def _with_structs(self, paths: set[Path]) -> set[Path]:
        starts = {path[:end] for path in paths for end in range(1, len(path))}
        return paths | {path for path in starts if is_declared(self.shape, path)}


def _is_list(parts: Parts, path: Path) -> bool:
    """One with items: an empty one is nothing that could be owned."""
    return any(other[-1][0] in "kv" for other in children(parts, path) if len(other) == len(path) + 1)


def _without(parts: Parts, dropped: set[Path]) -> Parts:
    return {
        path: value
        for path, value in parts.items()
        if not any(path[:end] in dropped for end in range(1, len(path) + 1))
    }


def _difference(before: Parts, after: Parts) -> tuple[set[Path], set[Path]]:
    """What is gone, and what is new or different."""
    return set(before) - set(after), {path for path in after if path not in before or before[path] != after[path]}
