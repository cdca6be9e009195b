"""JSON as Go reads and prints it, as far as it shows in messages of the API server."""

import json
import re
from typing import Any, Final

import orjson

MOST_DEPTH: Final = 160
_DEEPEST_WRITTEN: Final = 254
"""Levels, by orjson."""
_LITERALS: Final = {"t": "true", "f": "false", "n": "null"}
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")


_TYPES: Final = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}


class JsonError(Exception):
    """Not JSON; the message is what Go's decoder says."""


def json_type(value: Any) -> str:
    """What Go's decoder calls it."""
    return _TYPES[type(value)]


def parse(text: bytes) -> Any:
    """Decode JSON; raises JsonError with Go's words."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise JsonError(_Scanner(text.decode(errors="replace")).complaint()) from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Raises JsonError for values that lie deeper than what goes down into them by recursion can follow."""
    for _ in range(_DEEPEST_WRITTEN - MOST_DEPTH):
        value = [value]
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        if "Recursion" in str(error):
            raise JsonError(f"exceeded max depth: the embedded API server reads {MOST_DEPTH} levels") from None


def duplicates(text: bytes) -> list[str]:
    """Paths of fields that occur twice in an object of valid JSON, as strict decoding names them."""
    found: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in items:
            if key in result:
                found.append(key)
            result[key] = value
        return result

    try:
        json.loads(text, object_pairs_hook=pairs)
    except ValueError:
        return []
    return found


class _Scanner:
    """Finds the first fault in a text that is no JSON."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def complaint(self) -> str:
        try:
            self._value("looking for beginning of value")
            if self._peek():
                return self._invalid("after top-level value")
        except JsonError as error:
            return str(error)
        except RecursionError:
            return "exceeded max depth"
        return "unexpected end of JSON input"

    def _peek(self) -> str:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        return self.text[self.at] if self.at < len(self.text) else ""

    def _invalid(self, where: str) -> str:
        if self.at >= len(self.text):
            return "unexpected end of JSON input"
        character = self.text[self.at]
        quoted = {"'": r"'\''", '"': "'\"'"}.get(character, f"'{character}'")
        return f"invalid character {quoted} {where}"

    def _expect(self, allowed: str, where: str) -> str:
        found = self._peek()
        if not found or found not in allowed:
            raise JsonError(self._invalid(where))
        self.at += 1
        return found

    def _value(self, where: str) -> None:
        found = self._peek()
        if found == "{":
            self._object()
        elif found == "[":
            self._array()
        elif found == '"':
            self._string()
        elif found in _LITERALS:
            self._literal(_LITERALS[found])
        elif (number := _NUMBER.match(self.text, self.at)) and found:
            self.at = number.end()
        else:
            raise JsonError(self._invalid(where))

    def _object(self) -> None:
        self.at += 1
        if self._peek() == "}":
            self.at += 1
            return
        while True:
            if self._peek() != '"':
                raise JsonError(self._invalid("looking for beginning of object key string"))
            self._string()
            self._expect(":", "after object key")
            self._value("looking for beginning of value")
            if self._expect(",}", "after object key:value pair") == "}":
                return

    def _array(self) -> None:
        self.at += 1
        if self._peek() == "]":
            self.at += 1
            return
        while True:
            self._value("looking for beginning of value")
            if self._expect(",]", "after array element") == "]":
                return

    def _string(self) -> None:
        self.at += 1
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return
            if character < " ":
                raise JsonError(self._invalid("in string literal"))
            self.at += 2 if character == "\\" else 1
        raise JsonError("unexpected end of JSON input")

    def _literal(self, word: str) -> None:
        for index, expected in enumerate(word):
            if self.at >= len(self.text):
                raise JsonError("unexpected end of JSON input")
            if self.text[self.at] != expected:
                raise JsonError(self._invalid(f"in literal {word} (expecting '{word[index]}')"))
            self.at += 1
