"""Manifests named on a command line: files, directories and what comes in by a pipe, read once."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from crossfade.gateway_files.directory import Change, Text, Unreadable, is_manifest

STDIN: Final = "-"
STDIN_NAME: Final = "<stdin>"


class NotThere(Exception):  # noqa: N818 - says what is not there, to people
    """Nothing of that name can be read."""


class GivenFiles:
    """As `FileSource` asks for them. A directory gives its *.yaml, *.yml and *.json; `is_deep` those below it too."""

    def __init__(self, arguments: Sequence[str], *, stdin: TextIO, is_deep: bool = False) -> None:
        """Raises NotThere for an argument that is neither a file nor a directory."""
        self._arguments = arguments
        self._stdin = stdin
        self._paths = dict.fromkeys(path for given in arguments for path in _paths(given, is_deep=is_deep))

    @property
    def name(self) -> str:
        return ", ".join(STDIN_NAME if each == STDIN else each for each in self._arguments)

    @property
    def link_targets(self) -> frozenset[str]:
        return frozenset()

    def path_of(self, name: str) -> str:
        return name

    def changes(self, names: Iterable[str] | None) -> dict[str, Change]:
        wanted = self._paths if names is None else names
        return {STDIN_NAME if path == STDIN else path: self._read(path) for path in wanted}

    def _read(self, path: str) -> Change:
        try:
            return Text(self._stdin.read() if path == STDIN else Path(path).read_text("utf-8"))
        except UnicodeDecodeError:
            return Unreadable("not UTF-8 text")
        except OSError as error:
            return Unreadable(error.strerror or str(error))


def _paths(given: str, *, is_deep: bool) -> Iterator[str]:
    path = Path(given)
    if given == STDIN:
        yield STDIN
    elif path.is_dir():
        found = (each for each in path.glob("**/*" if is_deep else "*") if is_manifest(each.name) and each.is_file())
        yield from sorted(map(str, found))
    elif path.exists():
        yield given
    else:
        raise NotThere(f"{given}: no such file or directory")
