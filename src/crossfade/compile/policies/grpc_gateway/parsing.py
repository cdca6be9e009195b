"""A .proto file's text → what it says.

As forgiving as Kong's parser: semicolons may be missing, and options need no import.
"""

from functools import lru_cache
from typing import Any, Final

from crossfade.compile.policies.grpc_gateway.cursor import DEEPEST, Cursor, option
from crossfade.compile.policies.grpc_gateway.syntax import (
    KEYS,
    Enum,
    Field,
    File,
    Import,
    Message,
    Method,
    Service,
)
from crossfade.compile.policies.grpc_gateway.tokens import Token, tokens

HTTP_OPTION: Final = "google.api.http"
_HIGHEST_FIELD: Final = (1 << 29) - 1
_LABELS: Final = ("optional", "required", "repeated")
# Longer files are read anew each time they are asked for.
_LONGEST_KEPT: Final = 32 << 10
# Of a type's full name: all types together stay in proportion to the file.
_LONGEST_NAME: Final = 512


def parsed(name: str, text: str) -> File:
    """Raises ProtoError."""
    return _kept(name, text) if len(text) <= _LONGEST_KEPT else _Parser(name, text).file()


@lru_cache(maxsize=32)
def _kept(name: str, text: str) -> File:
    return _Parser(name, text).file()


class _Parser:
    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._cursor = Cursor(tokens(name, text))
        self._package = ""
        self._is_proto3 = False
        self._imports: list[Import] = []
        self._types: list[Message | Enum] = []
        self._services: list[Service] = []

    def file(self) -> File:
        cursor = self._cursor
        cursor.end_statement()
        if cursor.next.text == "syntax":
            self._syntax()
        while not cursor.is_at_end:
            self._statement(cursor.take_kind("name", "a statement"))
            cursor.end_statement()
        return File(self._name, self._package, tuple(self._imports), tuple(self._types), tuple(self._services))

    def _syntax(self) -> None:
        cursor = self._cursor
        cursor.advance()
        cursor.take("=")
        place = cursor.next.place
        syntax = cursor.string("a syntax")
        if syntax not in ("proto2", "proto3"):
            raise place.error(f"the syntax is proto2 or proto3, not {syntax!r}")
        self._is_proto3 = syntax == "proto3"
        cursor.end_statement()

    def _statement(self, word: Token) -> None:
        cursor = self._cursor
        match word.text:
            case "package":
                self._package = cursor.take_kind("name", "a package's name").text
            case "import":
                if not cursor.accepts("public"):
                    cursor.accepts("weak")
                self._imports.append(Import(cursor.string("a file's name"), word.place))
            case "option":
                option(cursor)
            case "message":
                self._message(self._package, 0)
            case "enum":
                self._enum(self._package)
            case "service":
                self._service()
            case "extend":
                cursor.skip_statement()
            case "edition":
                raise word.place.error("editions are not read; write the file in proto3 or proto2")
            case _:
                raise word.place.error(f"{word.shown} begins no statement")

    def _message(self, scope: str, depth: int) -> None:
        cursor = self._cursor
        name = cursor.name("a message's name")
        if depth > DEEPEST:
            raise name.place.error(f"messages lie in each other more than {DEEPEST} deep")
        full = _joined(scope, name)
        fields: list[Field] = []
        cursor.take("{")
        while not cursor.accepts("}"):
            self._member(full, fields, depth)
            cursor.end_statement()
        _check_fields(fields)
        self._types.append(Message(full, name.place, tuple(fields), self._is_proto3))

    def _member(self, scope: str, fields: list[Field], depth: int) -> None:
        cursor = self._cursor
        word = cursor.take_kind("name", "a field")
        match word.text:
            case "message":
                self._message(scope, depth + 1)
            case "enum":
                self._enum(scope)
            case "option":
                option(cursor)
            case "oneof":
                self._oneof(fields)
            case "extend" | "extensions" | "reserved":
                cursor.skip_statement()
            case "map" if cursor.next.text == "<":
                fields.append(self._map())
            case "optional" | "required" | "repeated":
                fields.append(self._field(cursor.take_kind("name", "a type"), label=word.text))
            case _:
                fields.append(self._field(word))

    def _oneof(self, fields: list[Field]) -> None:
        cursor = self._cursor
        oneof = cursor.name("a oneof's name").text
        cursor.take("{")
        while not cursor.accepts("}"):
            word = cursor.take_kind("name", "a field")
            if word.text == "option":
                option(cursor)
            else:
                fields.append(self._field(word, oneof=oneof))
            cursor.end_statement()

    def _map(self) -> Field:
        cursor = self._cursor
        cursor.take("<")
        key = cursor.name("a map's key")
        if key.text not in KEYS:
            raise key.place.error(f"a map's key is a whole number, a bool or a string, not {key.shown}")
        cursor.take(",")
        of = cursor.take_kind("name", "a type").text
        cursor.take(">")
        name = cursor.name("a field's name")
        number, _ = self._number_and_options()
        return Field(name.text, number, of, name.place, key=key.text)

    def _field(self, of: Token, *, label: str = "", oneof: str | None = None) -> Field:
        cursor = self._cursor
        if of.text == "group":
            raise of.place.error("groups are not read; write a message and a field of it")
        name = cursor.name("a field's name")
        number, options = self._number_and_options()
        packed = options.get("packed")
        return Field(
            name.text,
            number,
            of.text,
            name.place,
            is_repeated=label == "repeated",
            oneof=oneof,
            is_optional=label == "optional",
            is_packed=None if packed is None else packed == "true",
        )

    def _number_and_options(self) -> tuple[int, dict[str, Any]]:
        cursor = self._cursor
        cursor.take("=")
        return cursor.whole_number("a field's number", 1, _HIGHEST_FIELD), self._options()

    def _options(self) -> dict[str, Any]:
        cursor = self._cursor
        options: dict[str, Any] = {}
        if cursor.accepts("["):
            while True:
                name, value = option(cursor)
                options[name] = value
                if cursor.accepts("]"):
                    break
                cursor.take(",")
        return options

    def _enum(self, scope: str) -> None:
        cursor = self._cursor
        name = cursor.name("an enum's name")
        values: list[tuple[str, int]] = []
        cursor.take("{")
        while not cursor.accepts("}"):
            word = cursor.name("a value's name")
            if word.text == "option" and cursor.next.text != "=":
                option(cursor)
            elif word.text == "reserved" and cursor.next.text != "=":
                cursor.skip_statement()
            else:
                cursor.take("=")
                values.append((word.text, cursor.whole_number("a value's number", -(1 << 31), (1 << 31) - 1)))
                self._options()
            cursor.end_statement()
        self._types.append(Enum(_joined(scope, name), name.place, tuple(values)))

    def _service(self) -> None:
        cursor = self._cursor
        name = cursor.name("a service's name")
        methods: list[Method] = []
        cursor.take("{")
        while not cursor.accepts("}"):
            if cursor.accepts("rpc"):
                methods.append(self._method())
            elif cursor.accepts("option"):
                option(cursor)
            else:
                raise cursor.expected("'rpc' or 'option'")
            cursor.end_statement()
        self._services.append(Service(_joined(self._package, name), tuple(methods)))

    def _method(self) -> Method:
        cursor = self._cursor
        name = cursor.name("a method's name")
        given = self._parenthesised()
        cursor.take("returns")
        returned = self._parenthesised()
        http: list[dict[str, list[Any]]] = []
        if cursor.accepts("{"):
            cursor.end_statement()
            while not cursor.accepts("}"):
                place = cursor.take("option").place
                option_name, value = option(cursor)
                if option_name == HTTP_OPTION:
                    if not isinstance(value, dict):
                        raise place.error(f"the option {HTTP_OPTION} is a message: {{get: …}}")
                    http.append(value)
                elif option_name.startswith(f"{HTTP_OPTION}."):
                    http.append({option_name.removeprefix(f"{HTTP_OPTION}."): [value]})
                cursor.end_statement()
        return Method(name.text, given, returned, name.place, tuple(http))

    def _parenthesised(self) -> str:
        cursor = self._cursor
        cursor.take("(")
        if cursor.next.text == "stream" and not cursor.is_before(")"):
            cursor.advance()
        of = cursor.take_kind("name", "a message's name").text
        cursor.take(")")
        return of


def _joined(scope: str, name: Token) -> str:
    full = f"{scope}.{name.text}" if scope else name.text
    if len(full) > _LONGEST_NAME:
        raise name.place.error(f"with its package this name has more than {_LONGEST_NAME} characters")
    return full


def _check_fields(fields: list[Field]) -> None:
    names: set[str] = set()
    numbers: set[int] = set()
    for field in fields:
        if field.name in names:
            raise field.place.error(f"there is a field {field.name} already")
        if field.number in numbers:
            raise field.place.error(f"there is a field of number {field.number} already")
        names.add(field.name)
        numbers.add(field.number)
