"""Expressions as trees. The place of a node is that of its sign, bracket or dot; else of its first character."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from crossfade_local.apiserver.crd.cel_language.tokens import NotUnderstoodError, Token, tokens_of

_LEVELS: Final = {"||": 1, "&&": 2, **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3)}
_LEVELS.update({"+": 4, "-": 4, "*": 5, "/": 5, "%": 5})
_LITERALS: Final = frozenset({"true", "false", "null"})


@dataclass(frozen=True)
class Literal:
    text: str
    place: int


@dataclass(frozen=True)
class Name:
    name: str
    place: int


@dataclass(frozen=True)
class Select:
    target: "Node"
    field: str
    place: int
    is_quoted: bool = False
    is_optional: bool = False


@dataclass(frozen=True)
class Index:
    target: "Node"
    index: "Node"
    place: int
    is_optional: bool = False


@dataclass(frozen=True)
class Call:
    target: "Node | None"
    name: str
    arguments: "tuple[Node, ...]"
    place: int


@dataclass(frozen=True)
class Unary:
    signs: str
    value: "Node"
    place: int


@dataclass(frozen=True)
class Binary:
    first: "Node"
    rest: "tuple[tuple[str, Node, int], ...]"
    """Each with its operator and the place of that."""


@dataclass(frozen=True)
class Choice:
    condition: "Node"
    yes: "Node"
    no: "Node"
    place: int


@dataclass(frozen=True)
class ListOf:
    items: "tuple[tuple[bool, Node], ...]"
    """Each with whether it is optional."""
    place: int


@dataclass(frozen=True)
class MapOf:
    entries: "tuple[tuple[bool, Node, Node], ...]"
    place: int


class Given(NamedTuple):
    """A field of a message."""

    name: str
    value: "Node"
    place: int
    is_optional: bool


@dataclass(frozen=True)
class Message:
    """A value of a type that has a name: `Object.spec{replicas: 1}`."""

    type: str
    fields: tuple[Given, ...]
    place: int


Node = Literal | Name | Select | Index | Call | Unary | Binary | Choice | ListOf | MapOf | Message


def parse(expression: str) -> Node:
    """Raises NotUnderstoodError."""
    reader = _Reader(tokens_of(expression))
    found = reader.expression()
    if reader.next.kind:
        raise NotUnderstoodError
    return found


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    def take(self) -> Token:
        token = self.next
        self._at += 1
        return token

    def took(self, *signs: str) -> bool:
        if self.next.kind == "sign" and self.next.value in signs:
            self._at += 1
            return True
        return False

    def expect(self, sign: str) -> None:
        if not self.took(sign):
            raise NotUnderstoodError

    def expression(self) -> Node:
        condition = self._operators(0)
        place = self.next.place
        if not self.took("?"):
            return condition
        yes = self._operators(0)
        self.expect(":")
        return Choice(condition, yes, self.expression(), place)

    def _operators(self, level: int) -> Node:
        """What operators of a higher level join. There is no step for each level: the stack would be as much deeper."""
        found = self._unary()
        while (above := self._level()) > level:
            rest: list[tuple[str, Node, int]] = []
            while self._level() == above:
                sign = self.take()
                rest.append((sign.value, self._operators(above), sign.place))
            found = Binary(found, tuple(rest))
        return found

    def _level(self) -> int:
        return _LEVELS.get(self.next.value, 0) if self.next.kind in ("sign", "name") else 0

    def _unary(self) -> Node:
        signs, place = "", self.next.place
        while self.next.kind == "sign" and self.next.value in ("!", "-"):
            signs += self.take().value
        value = self._member()
        return Unary(signs, value, place) if signs else value

    def _member(self) -> Node:
        node = self._primary()
        while True:
            place = self.next.place
            if self.took("."):
                node = self._after_dot(node, place)
            elif self.took(".?"):
                field = self.take()
                if field.kind not in ("name", "quoted"):
                    raise NotUnderstoodError
                node = Select(node, field.value.strip("`"), place, field.kind == "quoted", is_optional=True)
            elif self.took("["):
                node = Index(node, self.expression(), place)
                self.expect("]")
            elif self.took("[?"):
                node = Index(node, self.expression(), place, is_optional=True)
                self.expect("]")
            elif (name := dotted_name(node)) and self.took("{"):
                node = Message(name, self._fields(), place)
            else:
                return node

    def _fields(self) -> tuple[Given, ...]:
        found = []
        while not self.took("}"):
            is_optional = self.took("?")
            field = self.take()
            if field.kind not in ("name", "quoted"):
                raise NotUnderstoodError
            place = self.next.place
            self.expect(":")
            found.append(Given(field.value.strip("`"), self.expression(), place, is_optional))
            if not self.took(","):
                self.expect("}")
                break
        return tuple(found)

    def _after_dot(self, target: Node, place: int) -> Node:
        field = self.take()
        if field.kind not in ("name", "quoted"):
            raise NotUnderstoodError
        bracket = self.next.place
        if field.kind == "name" and self.took("("):
            return Call(target, field.value, self._arguments(), bracket)
        return Select(target, field.value.strip("`"), place, field.kind == "quoted")

    def _primary(self) -> Node:
        if self.took("("):
            inner = self.expression()
            self.expect(")")
            return inner
        place = self.next.place
        if self.took("["):
            return ListOf(self._items(optional_first=False), place)
        if self.took("[?"):
            return ListOf(self._items(optional_first=True), place)
        if self.took("{"):
            return MapOf(self._entries(), place)
        token = self.take()
        if token.kind in ("text", "number") or token.value in _LITERALS:
            return Literal(token.value, token.place)
        if token.kind != "name" or token.value == "in":
            raise NotUnderstoodError
        bracket = self.next.place
        if self.took("("):
            return Call(None, token.value, self._arguments(), bracket)
        return Name(token.value, token.place)

    def _arguments(self) -> tuple[Node, ...]:
        found = []
        while not self.took(")"):
            found.append(self.expression())
            if not self.took(","):
                self.expect(")")
                break
        return tuple(found)

    def _items(self, *, optional_first: bool) -> tuple[tuple[bool, Node], ...]:
        found, is_optional = [], optional_first
        while is_optional or not self.took("]"):
            is_optional = is_optional or self.took("?")
            found.append((is_optional, self.expression()))
            is_optional = False
            if not self.took(","):
                self.expect("]")
                break
        return tuple(found)

    def _entries(self) -> tuple[tuple[bool, Node, Node], ...]:
        found = []
        while not self.took("}"):
            is_optional = self.took("?")
            key = self.expression()
            self.expect(":")
            found.append((is_optional, key, self.expression()))
            if not self.took(","):
                self.expect("}")
                break
        return tuple(found)


def dotted_name(node: Node) -> str:
    """Of a name, or of fields of a name; empty for anything else."""
    names: list[str] = []
    while isinstance(node, Select) and not node.is_quoted and not node.is_optional:
        names.append(node.field)
        node = node.target
    return ".".join([node.name, *reversed(names)]) if isinstance(node, Name) else ""
