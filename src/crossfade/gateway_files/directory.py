"""A directory of manifests: which files are new, changed or gone, told from their times and not from their content."""

import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

PROTO: Final = ".proto"
SUFFIXES: Final = (".yaml", ".yml", ".json", PROTO)
# File systems count time in steps of up to 2 s: a file as young as that may change again without a trace.
_YOUNG_NS: Final = 2_000_000_000


class Text(NamedTuple):
    content: str


class Unreadable(NamedTuple):
    reason: str


class Gone(NamedTuple):
    pass


Change = Text | Unreadable | Gone
_Signature = tuple[int, int, int, int]


class Files(Protocol):
    """Where manifests come from, as `FileSource` asks; `name` is what people know all of it by."""

    @property
    def name(self) -> str: ...

    @property
    def link_targets(self) -> frozenset[str]:
        """Directories outside in which changes are changes here."""

    def path_of(self, name: str) -> str:
        """As people write it."""

    def changes(self, names: Iterable[str] | None) -> dict[str, Change]:
        """By file name, of these files or of all. Raises OSError when nothing can be read."""


class Directory:
    """Remembers what each file looked like; blocking. Symbolic links are followed."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._seen: dict[str, _Signature | None] = {}
        self._targets: dict[str, str] = {}

    @property
    def name(self) -> str:
        return self._folder

    def path_of(self, name: str) -> str:
        return f"{self._folder}/{name}"

    @property
    def link_targets(self) -> frozenset[str]:
        """Directories of the files that links lead to, as of now: changes there are changes here."""
        return frozenset(self._targets.values())

    def changes(self, names: Iterable[str] | None) -> dict[str, Change]:
        """By file name, of these files or of all. Raises OSError when the directory cannot be read.

        A named file is read whatever its times are.
        """
        if names is None:
            return dict(self._all())
        return {name: self._read(name) for name in names if is_manifest(name)}

    def _all(self) -> Iterator[tuple[str, Change]]:
        present = set()
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not is_manifest(entry.name):
                    continue
                present.add(entry.name)
                if self._seen.get(entry.name) is None or self._seen[entry.name] != _signature_at(entry):
                    yield entry.name, self._read(entry.name)
        for name in self._seen.keys() - present:
            yield name, self._read(name)

    def _read(self, name: str) -> Change:
        path = self.path_of(name)
        self._targets.pop(name, None)
        try:
            if os.path.islink(path):  # noqa: PTH114 - as many calls as there are files
                self._targets[name] = os.path.dirname(os.path.realpath(path))  # noqa: PTH120
            with open(path, encoding="utf-8", opener=_without_waiting) as file:
                found = os.fstat(file.fileno())
                self._seen[name] = _signature(found)
                return Text(file.read()) if stat.S_ISREG(found.st_mode) else Unreadable("not a regular file")
        except FileNotFoundError:
            self._seen.pop(name, None)
            return Gone()
        except UnicodeDecodeError:
            return Unreadable("not UTF-8 text")
        except OSError as error:
            self._seen[name] = None
            return Unreadable(error.strerror or str(error))


def is_manifest(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")


def _without_waiting(path: str, flags: int) -> int:
    """Opening a pipe would wait for who writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _signature_at(entry: "os.DirEntry[str]") -> _Signature | None:
    try:
        return _signature(entry.stat())
    except OSError:
        return None


def _signature(found: os.stat_result) -> _Signature | None:
    """None for what cannot be told from a later state."""
    if time.time_ns() - found.st_mtime_ns < _YOUNG_NS:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev
