"""A manifest file's text → its documents, each with its own text and place: what did not change is not read again.

Cutting needs no YAML parser: a line that begins with `---` begins a document wherever it stands.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import orjson
import yaml

from crossfade.gateway_files.yaml_values import PatientLoader, values

# Directives belong to the document that follows them.
_MARK: Final = re.compile(r"^(?:%.*\n(?:(?:%.*|[ \t]*#.*|[ \t]*)\n)*)?---(?=\s|$)", re.MULTILINE)
_PRELUDE: Final = re.compile(r"(?:(?:%.*|[ \t\ufeff]*(?:#.*)?)\n)*")
_BEFORE_CONTENT: Final = re.compile(r"(?:[ \t\ufeff]*(?:#.*)?\n|%.*\n|---[ \t]*(?:#.*)?\n)*")
# An object of Kubernetes is far smaller; aliases can make a short text as large as one likes.
MOST_VALUES: Final = 200_000
MOST_NESTED: Final = 100


class Document(NamedTuple):
    """`line` is the number of its text's first line in the file, from 1."""

    text: str
    line: int


class SyntaxTrouble(Exception):  # noqa: N818 - says what the text has, to people
    """The text is no YAML; `line` and `column` count from 1 in that text and are 0 where unknown.

    Never quotes the text, which may be a Secret's.
    """

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column


class Unusable(NamedTuple):
    """A value that no manifest can hold: where in the document, and what it is."""

    field: str
    problem: str


def documents(text: str) -> Iterator[Document]:
    """In order; their texts together are the file's."""
    line = 1
    for piece in _pieces(text):
        yield Document(piece, line)
        line += piece.count("\n")


def _pieces(text: str) -> Iterator[str]:
    begin = 0
    for mark in _MARK.finditer(text):
        if not _PRELUDE.fullmatch(text, begin, mark.start()):
            yield text[begin : mark.start()]
            begin = mark.start()
    if begin < len(text):
        yield text[begin:]


def content_line(text: str) -> int:
    """How many lines of a document's text come before its content."""
    found = _BEFORE_CONTENT.match(text)
    before = found[0] if found is not None else ""
    return before.count("\n") if len(before) < len(text) else 0


def loaded(text: str, *, is_json: bool = False) -> list[Any]:
    """The values in a document's text: mostly one, more after `...`. Raises SyntaxTrouble."""
    if is_json:
        try:
            return [orjson.loads(text)]
        except orjson.JSONDecodeError:
            # JSON with comments or several documents passes as YAML; else YAML's parser says the place.
            pass
    try:
        return values(text)
    except yaml.YAMLError as error:
        return _loaded_patiently(text, error)
    except (ValueError, TypeError, RecursionError) as error:
        raise SyntaxTrouble(f"a value cannot be read ({type(error).__name__})") from None


def _loaded_patiently(text: str, error: yaml.YAMLError) -> list[Any]:
    if "\\u" in text:
        try:
            return [_with_pairs_joined(value) for value in yaml.load_all(text, PatientLoader)]
        except (yaml.YAMLError, ValueError, TypeError, RecursionError):
            pass
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        raise SyntaxTrouble(error.problem or "not valid YAML", mark.line + 1, mark.column + 1) from None
    raise SyntaxTrouble("a character that YAML does not allow") from None


def _with_pairs_joined(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, list):
        return [_with_pairs_joined(item) for item in value]
    if isinstance(value, dict):
        return {_with_pairs_joined(key): _with_pairs_joined(item) for key, item in value.items()}
    return value


def unusable(text: str, value: Any) -> Unusable | None:
    """What escapes and aliases can bring into a value; quick where the text has neither."""
    if "\\" not in text and "&" not in text:
        return None
    left = MOST_VALUES
    waiting: list[tuple[_Path, Any]] = [((), value)]
    while waiting:
        path, item = waiting.pop()
        left -= 1
        if left < 0 or len(path) > MOST_NESTED:
            return Unusable(_shown(path[:1]), "aliases make it larger than any object may be")
        if isinstance(item, str):
            if not _is_text(item):
                return Unusable(_shown(path), "the text holds half of a surrogate pair, which is no character")
        elif isinstance(item, dict):
            waiting += [((*path, key), part) for key, inner in item.items() for part in (key, inner)]
        elif isinstance(item, list):
            waiting += [((*path, index), inner) for index, inner in enumerate(item)]
    return None


_Path: TypeAlias = tuple[object, ...]


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(path: _Path) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".").encode("utf-8", "replace").decode()
