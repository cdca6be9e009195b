"""Reading tokens one after the other, and the values of options."""

from collections.abc import Iterable
from typing import Any, Final

from crossfade.compile.policies.grpc_gateway.tokens import Token, unquoted

DEEPEST: Final = 32
"""So deep may messages and values of options lie in each other."""


class Cursor:
    """All of `take` and `read` raise ProtoError when something else stands there."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._tokens = tuple(tokens)
        self._at = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    @property
    def is_at_end(self) -> bool:
        return self.next.kind == "end"

    def advance(self) -> Token:
        token = self.next
        self._at += not self.is_at_end
        return token

    def accepts(self, text: str) -> bool:
        """Steps over a symbol or a word if it stands here."""
        if self.next.text != text or self.next.kind not in ("symbol", "name"):
            return False
        self.advance()
        return True

    def take(self, text: str) -> Token:
        if self.next.text != text or self.next.kind == "text":
            raise self.expected(repr(text))
        return self.advance()

    def take_kind(self, kind: str, what: str) -> Token:
        if self.next.kind != kind:
            raise self.expected(what)
        return self.advance()

    def name(self, what: str) -> Token:
        """Without dots."""
        if self.next.kind != "name" or "." in self.next.text:
            raise self.expected(what)
        return self.advance()

    def end_statement(self) -> None:
        """Kong's parser does without semicolons."""
        while self.accepts(";"):
            pass

    def is_before(self, text: str) -> bool:
        """Whether this stands behind the next token."""
        return not self.is_at_end and self._tokens[self._at + 1].text == text

    def expected(self, what: str) -> Exception:
        return self.next.place.error(f"expected {what} instead of {self.next.shown}")

    def whole_number(self, what: str, lowest: int, highest: int) -> int:
        place = self.next.place
        sign = -1 if self.accepts("-") else 1
        token = self.take_kind("number", what)
        try:
            number = sign * _whole(token.text)
        except ValueError:
            raise place.error(f"expected {what} instead of {token.shown}") from None
        if not lowest <= number <= highest:
            raise place.error(f"{what} is from {lowest} to {highest}, not {token.shown}")
        return number

    def string(self, what: str) -> str:
        """Several in a row are one."""
        parts = [unquoted(self.take_kind("text", what))]
        while self.next.kind == "text":
            parts.append(unquoted(self.advance()))
        return "".join(parts)

    def skip_statement(self) -> None:
        """Up to its semicolon, or to the end of its block; nothing of it is of use here."""
        depth = 0
        while not self.is_at_end:
            token = self.advance()
            if token.kind != "symbol":
                continue
            depth += (token.text == "{") - (token.text == "}")
            if depth < 0:
                raise token.place.error("this '}' closes nothing")
            if not depth and token.text in ";}":
                return
        raise self.expected("';' or '}'")


def _whole(text: str) -> int:
    if text.startswith("0") and text.isdigit():
        return int(text, 8)
    return int(text, 16 if text[:2] in ("0x", "0X") else 10)


def option(cursor: Cursor) -> tuple[str, Any]:
    """`(google.api.http).get = "/"` is `("google.api.http.get", "/")`."""
    if cursor.accepts("("):
        name = cursor.take_kind("name", "an option's name").text.removeprefix(".")
        cursor.take(")")
        if cursor.next.kind == "name" and cursor.next.text.startswith("."):
            name += cursor.advance().text
    else:
        name = cursor.take_kind("name", "an option's name").text
        while cursor.accepts("."):
            cursor.take("(")
            name += "." + cursor.take_kind("name", "an option's name").text
            cursor.take(")")
    cursor.take("=")
    return name, value(cursor)


def value(cursor: Cursor, depth: int = 0) -> Any:
    """A string, a word or a number as text; a list; or a message: all values of each name."""
    if depth > DEEPEST:
        raise cursor.next.place.error(f"values lie in each other more than {DEEPEST} deep")
    if cursor.next.kind == "text":
        return cursor.string("a value")
    if cursor.accepts("{"):
        return _message(cursor, depth)
    if cursor.accepts("["):
        items = []
        while not cursor.accepts("]"):
            items.append(value(cursor, depth + 1))
            cursor.accepts(",")
        return items
    if not cursor.accepts("-"):
        cursor.accepts("+")
    if cursor.next.kind not in ("name", "number"):
        raise cursor.expected("a value")
    return cursor.advance().text


def _message(cursor: Cursor, depth: int) -> dict[str, list[Any]]:
    members: dict[str, list[Any]] = {}
    while not cursor.accepts("}"):
        if cursor.accepts("["):
            name = ""
            while not cursor.accepts("]"):
                name += cursor.advance().text
                if cursor.is_at_end:
                    raise cursor.expected("']'")
        else:
            name = cursor.take_kind("name", "a field's name").text
        cursor.accepts(":")
        found = value(cursor, depth + 1)
        members.setdefault(name, []).extend(found if isinstance(found, list) else [found])
        while cursor.accepts(",") or cursor.accepts(";"):
            pass
    return members
