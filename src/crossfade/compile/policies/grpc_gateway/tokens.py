"""A .proto file's text → tokens, each with its place."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

# Names with dots are one token, as are numbers with their fraction and exponent.
_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>\.?[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    |(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<symbol>[{}()\[\]<>=;:,.+\-]|/(?!\*))""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_PLAIN: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SHOWN: Final = 40


class ProtoError(Exception):
    """What is wrong with a file, beginning with its name and place."""


class MissingFileError(ProtoError):
    """A file is not where files are looked for."""


class Place(NamedTuple):
    file: str
    line: int

    def error(self, text: str) -> ProtoError:
        return ProtoError(f"{self.file}:{self.line}: {text}" if self.line else f"{self.file}: {text}")


class Token(NamedTuple):
    """`kind` is `number`, `name`, `text`, `symbol` or, once, `end`."""

    kind: str
    text: str
    place: Place

    @property
    def shown(self) -> str:
        if self.kind == "end":
            return "the end of the file"
        return repr(self.text if len(self.text) <= _SHOWN else self.text[:_SHOWN] + "…")


def tokens(file: str, text: str) -> Iterator[Token]:
    """Raises ProtoError for what begins no token."""
    at, line = 0, 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise Place(file, line).error(_unreadable(text, at))
        if found.lastgroup != "space":
            yield Token(found.lastgroup or "", found.group(), Place(file, line))
        line += text.count("\n", at, found.end())
        at = found.end()
    yield Token("end", "", Place(file, line))


def _unreadable(text: str, at: int) -> str:
    if text.startswith("/*", at):
        return "this comment has no end"
    if text[at] in "\"'":
        return "this string has no end on its line"
    return f"{text[at]!r} has no meaning here"


def unquoted(token: Token) -> str:
    """The string that a token of kind `text` stands for."""

    def replaced(found: "re.Match[str]") -> str:
        code = found.group(1)
        if code[0] in "xuU" and len(code) > 1:
            number = int(code[1:], 16)
        elif code[0] in "01234567":
            number = int(code, 8)
        else:
            return _PLAIN.get(code, code)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise token.place.error(f"{found.group()!r} is no character")
        return chr(number)

    return _ESCAPE.sub(replaced, token.text[1:-1])
