"""Writes an expression anew without what the engine's parser lacks.

Macros with two variables, `cel.bind`, `sortBy`, optional fields, items and entries (`a.?b`, `a[?0]`, `[?a]`), names of
fields that are no identifiers. Each becomes macros of one variable and functions of `cel_library`. Names that nothing
declares are found on the way.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from crossfade_local.apiserver.crd.cel_language.names import RESERVED, field_named
from crossfade_local.apiserver.crd.cel_language.syntax import (
    Binary,
    Call,
    Choice,
    Index,
    ListOf,
    Literal,
    MapOf,
    Name,
    Node,
    Select,
    Unary,
)

_BINDING: Final = frozenset({"optMap", "optFlatMap", "sortBy"})
_ONE_ONLY: Final = frozenset({"map", "filter"})
_ONE_VARIABLE: Final = frozenset({"all", "exists", "exists_one"}) | _ONE_ONLY | _BINDING
_TWO_VARIABLES: Final = frozenset(
    {"all", "exists", "exists_one", "existsOne", "transformList", "transformMap", "transformMapEntry"}
)


class Fault(NamedTuple):
    """What is wrong, in the compiler's words, and where in the text."""

    place: int
    said: str


class Names(NamedTuple):
    """What an expression may refer to."""

    free: frozenset[str]
    """Functions that are called by themselves, also with dots in their names."""
    members: frozenset[str]
    """Functions that are called on a value."""
    variables: frozenset[str]
    fields: Mapping[str, frozenset[str]] = {}
    """Of variables whose fields are known."""
    lacking: Mapping[str, str] = {}
    """Variables that Kubernetes has and this server has not, with the way out."""


class Translator:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._made = 0
        self.faults: list[Fault] = []
        self.used: set[str] = set()
        """Functions that the text calls."""

    def text(self, node: Node) -> str:
        """Means nothing if there are faults."""
        return self._text(node, self._names.variables)

    def _ours(self, name: str, *arguments: str) -> str:
        self.used.add(name)
        return f"{name}({', '.join(arguments)})"

    def _check(self, node: Call) -> None:
        called, other = self._names.free, self._names.members
        if node.target is not None:
            called, other = other, called
        if node.name in other - called:
            given = f"({', '.join('dyn' for _ in node.arguments)})"
            applied = given if node.target is None else f"dyn.{given}"
            said = f"found no matching overload for '{node.name}' applied to '{applied}'"
            self.faults.append(Fault(node.place, said))
        elif node.name not in called:
            self.faults.append(_undeclared(node.name, node.place))

    def _text(self, node: Node, known: frozenset[str]) -> str:
        match node:
            case Literal():
                return node.text
            case Name():
                return self._name(node, known)
            case Select():
                return self._select(node, known)
            case Index():
                return self._index(node, known)
            case Unary():
                value = self._text(node.value, known)
                # The smallest integer is one only together with its sign.
                return f"{node.signs}{value}" if isinstance(node.value, Literal) else f"{node.signs}({value})"
            case Binary():
                rest = "".join(f" {sign} {self._text(value, known)}" for sign, value in node.rest)
                return f"({self._text(node.first, known)}{rest})"
            case Choice():
                parts = (self._text(part, known) for part in (node.condition, node.yes, node.no))
                return "(({}) ? ({}) : ({}))".format(*parts)
            case ListOf():
                return self._list(node, known)
            case MapOf():
                return self._map(node, known)
            case Call():
                return self._call(node, known)

    def _name(self, node: Name, known: frozenset[str]) -> str:
        if node.name not in known:
            found = _undeclared(node.name, node.place)
            way_out = self._names.lacking.get(node.name)
            self.faults.append(found._replace(said=f"{found.said}: {way_out}") if way_out else found)
        return node.name

    def _index(self, node: Index, known: frozenset[str]) -> str:
        target, index = self._text(node.target, known), self._text(node.index, known)
        if node.is_optional or _is_optional(node.target):
            return self._ours("celOptionalItem", target, index)
        return f"{target}[{index}]"

    def _select(self, node: Select, known: frozenset[str]) -> str:
        target = self._text(node.target, known)
        field = self._known_field(node)
        if node.is_optional or _is_optional(node.target):
            return self._ours("celOptionalItem", target, f'"{field}"')
        return f"{target}.{field}" if _is_plain(field) else f'{target}["{field}"]'

    def _known_field(self, node: Select) -> str:
        field = _field(node)
        fields = self._names.fields.get(node.target.name) if isinstance(node.target, Name) else None
        if fields is not None and field not in fields:
            self.faults.append(Fault(node.place, f"undefined field '{field}'"))
        return field

    def _list(self, node: ListOf, known: frozenset[str]) -> str:
        items = [(is_optional, self._text(item, known)) for is_optional, item in node.items]
        if not any(is_optional for is_optional, _ in items):
            return f"[{', '.join(text for _, text in items)}]"
        return self._ours("celOptionalList", f"[{', '.join(_marked(*item) for item in items)}]")

    def _map(self, node: MapOf, known: frozenset[str]) -> str:
        entries = [(mark, self._text(key, known), self._text(value, known)) for mark, key, value in node.entries]
        if not any(is_optional for is_optional, _, _ in entries):
            return "{" + ", ".join(f"{key}: {value}" for _, key, value in entries) + "}"
        pairs = ", ".join(f"[{key}, {_marked(mark, value)}]" for mark, key, value in entries)
        return self._ours("celOptionalMap", f"[{pairs}]")

    # -- calls ---------------------------------------------------------------------------------------------------

    def _call(self, node: Call, known: frozenset[str]) -> str:
        target, given = node.target, node.arguments
        if target is None:
            return self._function(node, known)
        if isinstance(target, Name) and target.name not in known:
            dotted = f"{target.name}.{node.name}"
            if dotted in self._names.free:
                return self._ours(dotted, self._arguments(given, known))
        if _is_macro(node):
            return self._macro(node, target, known)
        self._check(node)
        return f"{self._text(target, known)}.{self._ours(node.name, self._arguments(given, known))}"

    def _function(self, node: Call, known: frozenset[str]) -> str:
        given = node.arguments
        if node.name == "has" and len(given) == 1 and isinstance(given[0], Select):
            return self._has(given[0], known)
        self._check(node)
        text = self._arguments(given, known)
        # The engine's own does not know all that there is.
        return f"string({self._ours('celText', text)})" if node.name == "string" else self._ours(node.name, text)

    def _arguments(self, given: tuple[Node, ...], known: frozenset[str]) -> str:
        return ", ".join(self._text(argument, known) for argument in given)

    def _has(self, node: Select, known: frozenset[str]) -> str:
        target = self._text(node.target, known)
        field = self._known_field(node)
        if node.is_optional or _is_optional(node.target):
            return self._ours("celOptionalItem", target, f'"{field}"') + ".hasValue()"
        return f"has({target}.{field})" if _is_plain(field) else f'("{field}" in {target})'

    # -- macros --------------------------------------------------------------------------------------------------

    def _macro(self, node: Call, target: Node, known: frozenset[str]) -> str:
        first, *rest = node.arguments
        if node.name in _BINDING:
            return self._binding(node, target, known)
        if isinstance(rest[0], Name) and len(rest) > 1 and node.name not in _ONE_ONLY:
            return self._with_two(node, target, known)
        variable = _variable(first)
        texts = self._arguments(tuple(rest), known | {variable})
        return f"{self._text(target, known)}.{node.name}({variable}, {texts})"

    def _with_two(self, node: Call, target: Node, known: frozenset[str]) -> str:
        """Over pairs of index (or key) and value, each of which is bound to the two names in turn."""
        first, second, *bodies = node.arguments
        pair = self._fresh()
        names = (_variable(first), _variable(second))
        inside = known | set(names)

        def bound(body: Node) -> str:
            text = self._text(body, inside)
            return f"[{pair}[0]].map({names[0]}, [{pair}[1]].map({names[1]}, {text})[0])[0]"

        pairs = self._ours("celPairs", self._text(target, known))
        if not node.name.startswith("transform"):
            name = "exists_one" if node.name == "existsOne" else node.name
            return f"{pairs}.{name}({pair}, {bound(bodies[0])})"
        if len(bodies) == 2:
            pairs = f"{pairs}.filter({pair}, {bound(bodies[0])})"
        result = bound(bodies[-1])
        if node.name == "transformMap":
            return self._ours("celMapOf", f"{pairs}.map({pair}, [{pair}[0], {result}])")
        mapped = f"{pairs}.map({pair}, {result})"
        return self._ours("celMerged", mapped) if node.name == "transformMapEntry" else mapped

    def _binding(self, node: Call, target: Node, known: frozenset[str]) -> str:
        name, whole = _variable(node.arguments[0]), self._text(target, known)
        body = self._text(node.arguments[1], known | {name})
        if node.name == "sortBy":
            made = self._fresh()
            return f"[{whole}].map({made}, {self._ours('celSortedBy', made, f'{made}.map({name}, {body})')})[0]"
        # What is optional loses that in the engine's lists.
        if node.name == "optFlatMap":
            body = self._ours("celPresent", body)
        results = f"{self._ours('celPresent', whole)}.map({name}, {body})"
        return self._ours("celMapped" if node.name == "optMap" else "celFlatMapped", results)

    def _fresh(self) -> str:
        self._made += 1
        return f"cel_pair_{self._made}"


def _is_macro(node: Call) -> bool:
    """Else it is a call of a function, which then does not exist."""
    given = node.arguments
    if len(given) < 2 or not isinstance(given[0], Name):
        return False
    if len(given) == 2:
        return node.name in _ONE_VARIABLE
    has_two = isinstance(given[1], Name)
    if len(given) == 3:
        return node.name == "map" or (has_two and node.name in _TWO_VARIABLES)
    return len(given) == 4 and has_two and node.name.startswith("transform") and node.name in _TWO_VARIABLES


def _variable(node: Node) -> str:
    assert isinstance(node, Name)
    return node.name


def _undeclared(name: str, place: int) -> Fault:
    return Fault(place, f"undeclared reference to '{name}' (in container '')")


def _field(node: Select) -> str:
    return node.field if node.is_quoted else field_named(node.field)


def _is_plain(field: str) -> bool:
    return field.isidentifier() and field.isascii() and field not in RESERVED


def _is_optional(node: Node) -> bool:
    """Whether a chain of fields and items has something optional in it: all that follows is then optional, too."""
    while isinstance(node, Select | Index):
        if node.is_optional:
            return True
        node = node.target
    return False


def _marked(is_optional: bool, text: str) -> str:
    return text if is_optional else f"optional.of({text})"
