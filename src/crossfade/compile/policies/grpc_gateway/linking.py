"""Files that import each other → types by their full names.

As by Kong's parser, a file sees the types of all that is imported, however far away, and of several files' services
those of imported ones come first.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from crossfade.compile.policies.grpc_gateway.parsing import parsed
from crossfade.compile.policies.grpc_gateway.syntax import Enum, File, Import, Message
from crossfade.compile.policies.grpc_gateway.tokens import MissingFileError, Place, ProtoError
from crossfade.compile.policies.grpc_gateway.well_known import well_known

MOST_FILES: Final = 256
LARGEST: Final = 1 << 20
"""Characters of one plugin's files together, as many as a ConfigMap has."""
_DEEPEST: Final = 64


class FoundFile(NamedTuple):
    """`name` is what the file is called where it was found."""

    name: str
    text: str


class Linked(NamedTuple):
    """`files` has those first that others import."""

    files: tuple[File, ...]
    types: Mapping[str, Message | Enum]

    def resolved(self, name: str, scope: str, place: Place) -> Message | Enum:
        """What a name means inside of a type or package; raises ProtoError."""
        if name.startswith("."):
            found = self.types.get(name[1:])
        else:
            found = next((self.types[full] for full in _seen_from(scope, name) if full in self.types), None)
        if found is None:
            raise place.error(f"there is no type {name}")
        return found


def _seen_from(scope: str, name: str) -> list[str]:
    parts = scope.split(".") if scope else []
    return [".".join([*parts[:count], name]) for count in range(len(parts), -1, -1)]


def linked(path: str, find: Callable[[str], FoundFile | None]) -> Linked:
    """The file at `path` with all that it imports. Raises ProtoError, which says what was not found."""
    loading = _Loading(find)
    found = find(path)
    if found is None:
        raise MissingFileError(f"{path} is not found")
    loading.load(found, ())
    types: dict[str, Message | Enum] = {}
    for file in loading.files.values():
        for each in file.types:
            if each.name in types:
                raise each.place.error(f"there is a type {each.name} already, in {types[each.name].place.file}")
            types[each.name] = each
    return Linked(tuple(loading.files.values()), types)


class _Loading:
    def __init__(self, find: Callable[[str], FoundFile | None]) -> None:
        self.files: dict[str, File] = {}
        """By name, those first that others import."""
        self._find = find
        self._size = 0

    def load(self, found: FoundFile, importers: tuple[str, ...]) -> None:
        if found.name in importers:
            chain = " → ".join([*importers[importers.index(found.name) :], found.name])
            raise ProtoError(f"{found.name} imports itself: {chain}")
        if found.name in self.files:
            return
        self._size += len(found.text)
        if self._size > LARGEST or len(self.files) + len(importers) >= MOST_FILES:
            limit = f"{LARGEST} characters" if self._size > LARGEST else f"{MOST_FILES} files"
            raise ProtoError(f"{found.name}: with this file there are more than {limit}")
        if len(importers) >= _DEEPEST:
            raise ProtoError(f"{found.name}: files import each other more than {_DEEPEST} deep")
        file = parsed(found.name, found.text)
        for each in file.imports:
            self.load(self._imported(each), (*importers, found.name))
        self.files[found.name] = file

    def _imported(self, wanted: Import) -> FoundFile:
        known = well_known(wanted.path)
        found = FoundFile(wanted.path, known) if known is not None else self._find(wanted.path)
        if found is None:
            raise MissingFileError(str(wanted.place.error(f"the imported {wanted.path} is not found")))
        return found
