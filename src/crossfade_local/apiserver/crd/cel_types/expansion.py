"""Syntax trees into expressions without macros (cel-spec, langdef.md §macros, and extensions of that)."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from crossfade_local.apiserver.crd.cel_language.names import identifier_of
from crossfade_local.apiserver.crd.cel_language.syntax import (
    Binary,
    Call,
    Choice,
    Index,
    ListOf,
    Literal,
    MapOf,
    Message,
    Name,
    Node,
    Select,
    Unary,
)
from crossfade_local.apiserver.crd.cel_types import literals, types
from crossfade_local.apiserver.crd.cel_types.expression import (
    Applied,
    Constant,
    Entries,
    Expression,
    Field,
    Identifier,
    Items,
    Loop,
    Made,
)
from crossfade_local.apiserver.crd.faults import Fault

AND: Final = "_&&_"
OR: Final = "_||_"
CHOICE: Final = "_?_:_"
_ADD: Final = "_+_"
_INSERT: Final = "cel.@mapInsert"
_GOES_ON: Final = "@not_strictly_false"
_SUM: Final = "@result"
_SUMS: Final = (_SUM, "__result__")
_INPUT: Final = "@__sortBy_input__"
_SIGNS: Final = {"!": "!_", "-": "-_"}
_TRANSFORMS: Final = frozenset(("transformList", "transformMap", "transformMapEntry"))


class MacroError(Exception):
    """A macro is not used as it can be."""

    def __init__(self, place: int, said: str) -> None:
        super().__init__(said)
        self.fault = Fault(place, said)


def expanded(node: Node) -> Expression:
    """Raises MacroError."""
    match node:
        case Literal():
            return _constant(node.text, node.place)
        case Name():
            return Identifier(node.place, node.name)
        case Select():
            return Field(node.place, expanded(node.target), _field(node), is_optional=node.is_optional)
        case Index():
            function = "_[?_]" if node.is_optional else "_[_]"
            return Applied(node.place, function, None, [expanded(node.target), expanded(node.index)])
        case Unary():
            return _signed(node)
        case Binary():
            return _joined(node)
        case Choice():
            return Applied(node.place, CHOICE, None, list(map(expanded, (node.condition, node.yes, node.no))))
        case ListOf():
            return Items(node.place, [(is_optional, expanded(item)) for is_optional, item in node.items])
        case MapOf():
            entries = [(is_optional, expanded(key), expanded(value)) for is_optional, key, value in node.entries]
            return Entries(node.place, entries)
        case Message():
            fields = [(one.name, expanded(one.value), one.place, one.is_optional) for one in node.fields]
            return Made(node.place, node.type, fields)
        case Call():
            return _called(node)


def _constant(text: str, place: int) -> Expression:
    try:
        return Constant(place, *literals.read(text))
    except ValueError:
        raise MacroError(place, f"invalid {'uint' if text[-1] in 'uU' else 'int'} literal") from None


def _field(node: Select) -> str:
    return identifier_of(node.field) if node.is_quoted else node.field


def _signed(node: Unary) -> Expression:
    """Two of the same sign cancel each other out; a number has its sign in itself."""
    if node.signs == "-" and isinstance(node.value, Literal) and node.value.text[0] in ".0123456789":
        return _constant(f"-{node.value.text}", node.place)
    found = expanded(node.value)
    return Applied(node.place, _SIGNS[node.signs[0]], None, [found]) if len(node.signs) % 2 else found


def _joined(node: Binary) -> Expression:
    found = expanded(node.first)
    for sign, value, place in node.rest:
        function = "@in" if sign == "in" else f"_{sign}_"
        second = expanded(value)
        if isinstance(found, Applied) and found.function == function and function in (AND, OR):
            found.given.append(second)
        else:
            found = Applied(place, function, None, [found, second])
    return found


def _called(node: Call) -> Expression:
    target, given = node.target, node.arguments
    if target is None:
        if node.name == "has" and len(given) == 1:
            return _has(given[0], node.place)
    elif macro := _MACROS.get((node.name, len(given))):
        return macro.expand(node, target)
    called = expanded(target) if target is not None else None
    return Applied(node.place, node.name, called, list(map(expanded, given)))


def _has(given: Node, place: int) -> Expression:
    if not isinstance(given, Select) or given.is_optional:
        raise MacroError(_place(given), "invalid argument to has() macro")
    return Field(place, expanded(given.target), _field(given), is_test=True)


def _place(node: Node) -> int:
    return node.place if not isinstance(node, Binary) else node.rest[-1][2]


def _variable(node: Node, otherwise: str) -> str:
    if not isinstance(node, Name):
        raise MacroError(_place(node), otherwise)
    if node.name in _SUMS:
        raise MacroError(node.place, "iteration variable overwrites accumulator variable")
    return node.name


def _variables(node: Call) -> tuple[str, ...]:
    """Of a loop with two of them."""
    first, second, *_ = node.arguments
    found = tuple(_variable(one, "argument must be a simple name") for one in (first, second))
    if found[0] == found[1]:
        raise MacroError(_place(second), f"duplicate variable name: {found[0]}")
    return found


class _At:
    """Makes what stands in no text, at the place of the macro that it comes of."""

    def __init__(self, place: int) -> None:
        self._place = place

    def flag(self, value: bool) -> Expression:
        return Constant(self._place, types.BOOL, value)

    def number(self, value: int) -> Expression:
        return Constant(self._place, types.INT, value)

    def name(self, name: str = _SUM) -> Expression:
        return Identifier(self._place, name)

    def list(self, *items: Expression) -> Expression:
        return Items(self._place, [(False, item) for item in items])

    def call(self, function: str, *given: Expression) -> Expression:
        return Applied(self._place, function, None, list(given))

    def member(self, function: str, target: Expression, *given: Expression) -> Expression:
        return Applied(self._place, function, target, list(given))

    def loop(self, over: Expression, variables: tuple[str, ...], start: Expression, step: Expression) -> Loop:
        return Loop(self._place, over, variables, _SUM, start, self.flag(True), step, self.name())

    def bound(self, name: str, value: Expression, result: Expression) -> Loop:
        """A loop over nothing gives a value a name."""
        never, same = self.flag(False), self.name(name)
        return Loop(self._place, self.list(), ("#unused",), name, value, never, same, result)


# -- loops ---------------------------------------------------------------------------------------------------------


def _all(node: Call, over: Expression, variables: tuple[str, ...], *, is_any: bool) -> Expression:
    at = _At(node.place)
    found = at.loop(over, variables, at.flag(not is_any), at.call(OR if is_any else AND, at.name(), _body(node)))
    found.goes_on = at.call(_GOES_ON, at.call("!_", at.name()) if is_any else at.name())
    return found


def _exists_one(node: Call, over: Expression, variables: tuple[str, ...]) -> Expression:
    at = _At(node.place)
    step = at.call(CHOICE, _body(node), at.call(_ADD, at.name(), at.number(1)), at.name())
    found = at.loop(over, variables, at.number(0), step)
    found.result = at.call("_==_", at.name(), at.number(1))
    return found


def _body(node: Call) -> Expression:
    return expanded(node.arguments[-1])


def _with_one(node: Call, target: Node) -> Expression:
    variables = (_variable(node.arguments[0], "argument must be a simple name"),)
    return _quantified(node, target, variables)


def _with_two(node: Call, target: Node) -> Expression:
    return _quantified(node, target, _variables(node))


def _quantified(node: Call, target: Node, variables: tuple[str, ...]) -> Expression:
    over = expanded(target)
    if node.name in ("all", "exists"):
        return _all(node, over, variables, is_any=node.name == "exists")
    return _exists_one(node, over, variables)


def _map(node: Call, target: Node) -> Expression:
    return _mapped(node, expanded(target))


def _mapped(node: Call, over: Expression) -> Expression:
    variable = _variable(node.arguments[0], "argument is not an identifier")
    at = _At(node.place)
    step = at.call(_ADD, at.name(), at.list(_body(node)))
    return at.loop(over, (variable,), at.list(), _filtered(at, node.arguments[1:-1], step))


def _filtered(at: _At, conditions: tuple[Node, ...], step: Expression) -> Expression:
    return at.call(CHOICE, expanded(conditions[0]), step, at.name()) if conditions else step


def _filter(node: Call, target: Node) -> Expression:
    variable = _variable(node.arguments[0], "argument is not an identifier")
    at = _At(node.place)
    step = at.call(_ADD, at.name(), at.list(expanded(node.arguments[0])))
    return at.loop(expanded(target), (variable,), at.list(), _filtered(at, node.arguments[1:], step))


def _transform(node: Call, target: Node) -> Expression:
    variables = _variables(node)
    at, body = _At(node.place), _body(node)
    if node.name == "transformList":
        start, step = at.list(), at.call(_ADD, at.name(), at.list(body))
    else:
        given = (body,) if node.name == "transformMapEntry" else (at.name(variables[0]), body)
        start, step = Entries(node.place, []), at.call(_INSERT, at.name(), *given)
    return at.loop(expanded(target), variables, start, _filtered(at, node.arguments[2:-1], step))


def _sort_by(node: Call, target: Node) -> Expression:
    at = _At(node.place)
    keys = _mapped(node, at.name(_INPUT))
    return at.bound(_INPUT, expanded(target), at.member("@sortByAssociatedKeys", at.name(_INPUT), keys))


def _optional_map(node: Call, target: Node) -> Expression:
    first = node.arguments[0]
    if not isinstance(first, Name):
        raise MacroError(_place(first), f"{node.name}() variable name must be a simple identifier")
    at = _At(node.place)
    # One object in two places: with copies, a chain of macros would be twice as large for each of them.
    whole = expanded(target)
    found: Expression = at.bound(first.name, at.member("value", whole), _body(node))
    if node.name == "optMap":
        found = at.call("optional.of", found)
    return at.call(CHOICE, at.member("hasValue", whole), found, at.call("optional.none"))


class _Macro(NamedTuple):
    expand: Callable[[Call, Node], Expression]
    variables: int = 1
    """How many names stand before what is evaluated for each."""


# By name and number of arguments.
_MACROS: Final[Mapping[tuple[str, int], _Macro]] = {
    **{(name, 2): _Macro(_with_one) for name in ("all", "exists", "exists_one")},
    **{(name, 3): _Macro(_with_two, 2) for name in ("all", "exists", "exists_one", "existsOne")},
    **{(name, many): _Macro(_transform, 2) for name in _TRANSFORMS for many in (3, 4)},
    ("map", 2): _Macro(_map),
    ("map", 3): _Macro(_map),
    ("filter", 2): _Macro(_filter),
    ("sortBy", 2): _Macro(_sort_by),
    ("optMap", 2): _Macro(_optional_map),
    ("optFlatMap", 2): _Macro(_optional_map),
}


def bound_names(node: Call) -> list[str]:
    """The variables of a macro that is called on something; none where it is no macro, but a function."""
    macro = _MACROS.get((node.name, len(node.arguments)))
    names = [one.name for one in node.arguments[: macro.variables] if isinstance(one, Name)] if macro else []
    return names if macro and len(names) == macro.variables else []
