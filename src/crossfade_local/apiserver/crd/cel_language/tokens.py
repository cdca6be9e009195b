"""The words of an expression in CEL (cel-spec, langdef.md §syntax)."""

import re
from typing import Final, NamedTuple

_STRING: Final = (
    r'[rRbB]{0,2}(?:"""(?:\\.|[^\\])*?"""|\'\'\'(?:\\.|[^\\])*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')'
)
_RAW: Final = r'[rR](?:""".*?"""|\'\'\'.*?\'\'\'|"[^"\n]*"|\'[^\'\n]*\')'
_NUMBER: Final = r"0[xX][0-9a-fA-F]+[uU]?|(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)|\d+[uU]?"
_WORD: Final = re.compile(
    rf"(?P<space>\s+|//[^\n]*)|(?P<text>{_RAW}|{_STRING})|(?P<number>{_NUMBER})"
    r"|(?P<quoted>`[a-zA-Z0-9_./\- ]+`)|(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|\.\?|\[\?|[-+*/%!<>?:.,()\[\]{}])",
    re.DOTALL,
)


class NotUnderstoodError(Exception):
    """Not an expression, or nothing that these modules know; the engine says what is wrong with it."""


class Token(NamedTuple):
    kind: str
    """`text`, `number`, `quoted`, `name`, `sign`, or empty at the end."""
    value: str
    place: int


def tokens_of(expression: str) -> list[Token]:
    """Raises NotUnderstoodError."""
    found, place = [], 0
    while place < len(expression):
        match = _WORD.match(expression, place)
        if match is None:
            raise NotUnderstoodError
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match[0], place))
        place = match.end()
    found.append(Token("", "", place))
    return found
