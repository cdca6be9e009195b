"""Where the plugin's files are: ConfigMaps with a label, whose keys are the files' names (kong.md §5.22).

A key has no slash, so a path is looked up by its parts joined by dots, and by fewer and fewer of its last parts.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from crossfade.compile.policies.grpc_gateway.linking import FoundFile
from crossfade.compile.policies.grpc_gateway.well_known import well_known

LABEL: Final = "crossfade.dev/protos"
SUFFIX: Final = ".proto"
_LONGEST: Final = 512

ProtoFiles: TypeAlias = Mapping[str, Mapping[str, str]]
"""By namespace, texts by name."""


class Finder:
    """Looks into one namespace after the other, each time for the whole path first."""

    def __init__(self, files: ProtoFiles, namespaces: Sequence[str]) -> None:
        self._places = [files[each] for each in dict.fromkeys(namespaces) if each in files]

    def find(self, path: str) -> FoundFile | None:
        for names in self._places:
            for name in _names(path):
                if name in names:
                    return FoundFile(name, names[name])
        known = well_known(path)
        return None if known is None else FoundFile(path, known)

    def known(self) -> list[str]:
        return sorted({name for names in self._places for name in names})


def _names(path: str) -> Iterator[str]:
    # A key has no more than 253 characters.
    parts = [part for part in path[-_LONGEST:].split("/") if part not in ("", ".", "..")]
    for first in range(len(parts)):
        yield ".".join(parts[first:])
