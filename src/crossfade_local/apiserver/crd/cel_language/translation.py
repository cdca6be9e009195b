"""Writes an expression anew without what the engine's parser lacks.

Macros with two variables, `sortBy`, optional fields, items and entries (`a.?b`, `a[?0]`, `[?a]`), names of
fields that are no identifiers. Each becomes macros of one variable and functions of `cel_library`. What an expression
of admission calls by a name with a dot (`variables.x`, `authorizer.requestResource`) becomes a plain name.
"""

from typing import Final

from crossfade_local.apiserver.crd.cel_language.names import RESERVED, field_named
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
from crossfade_local.apiserver.crd.cel_types.declarations import PATCH_FUNCTIONS, functions
from crossfade_local.apiserver.crd.cel_types.expansion import bound_names

_BINDING: Final = frozenset({"optMap", "optFlatMap", "sortBy"})
VARIABLE: Final = "celVariable_"
"""Before the name of a variable of a policy: a list of one value, for the engine takes null for none."""
MESSAGE_TYPE: Final = r'"\x00type"'
"""The key of a message's type: no field has such a name."""
REQUEST_RESOURCE: Final = "celRequestResource"


class Translator:
    def __init__(self, *, is_of_admission: bool = False) -> None:
        self._is_of_admission = is_of_admission
        self._made = 0
        self.used: set[str] = set()
        """Functions that the text calls."""

    def _ours(self, name: str, *arguments: str) -> str:
        self.used.add(name)
        return f"{name}({', '.join(arguments)})"

    def text(self, node: Node) -> str:
        match node:
            case Literal():
                return node.text
            case Name():
                return node.name
            case Select():
                return self._select(node)
            case Index():
                return self._index(node)
            case Unary():
                value = self.text(node.value)
                # The smallest integer is one only together with its sign.
                return f"{node.signs}{value}" if isinstance(node.value, Literal) else f"{node.signs}({value})"
            case Binary():
                rest = "".join(f" {sign} {self.text(value)}" for sign, value, _ in node.rest)
                return f"({self.text(node.first)}{rest})"
            case Choice():
                parts = (self.text(part) for part in (node.condition, node.yes, node.no))
                return "(({}) ? ({}) : ({}))".format(*parts)
            case ListOf():
                return self._list(node)
            case MapOf():
                return self._map(node)
            case Message():
                return self._message(node)
            case Call():
                return self._call(node)

    def _index(self, node: Index) -> str:
        target, index = self.text(node.target), self.text(node.index)
        if node.is_optional or _is_optional(node.target):
            return self._ours("celOptionalItem", target, index)
        return f"{target}[{index}]"

    def _dotted(self, node: Select) -> str:
        """What stands for a variable with a dot in its name; empty for any other field."""
        if not self._is_of_admission or not isinstance(node.target, Name):
            return ""
        if node.target.name == "variables":
            return f"{VARIABLE}{node.field}[0]"
        return REQUEST_RESOURCE if (node.target.name, node.field) == ("authorizer", "requestResource") else ""

    def _select(self, node: Select) -> str:
        if dotted := self._dotted(node):
            return f"optional.of({dotted})" if node.is_optional else dotted
        target = self.text(node.target)
        field = _field(node)
        if node.is_optional or _is_optional(node.target):
            return self._ours("celOptionalItem", target, f'"{field}"')
        return f"{target}.{field}" if _is_plain(field) else f'{target}["{field}"]'

    def _list(self, node: ListOf) -> str:
        items = [(is_optional, self.text(item)) for is_optional, item in node.items]
        if not any(is_optional for is_optional, _ in items):
            return f"[{', '.join(text for _, text in items)}]"
        return self._ours("celOptionalList", f"[{', '.join(_marked(*item) for item in items)}]")

    def _map(self, node: MapOf) -> str:
        entries = [(mark, self.text(key), self.text(value)) for mark, key, value in node.entries]
        if not any(is_optional for is_optional, _, _ in entries):
            return "{" + ", ".join(f"{key}: {value}" for _, key, value in entries) + "}"
        pairs = ", ".join(f"[{key}, {_marked(mark, value)}]" for mark, key, value in entries)
        return self._ours("celOptionalMap", f"[{pairs}]")

    def _message(self, node: Message) -> str:
        """A map that says its type, too."""
        kind = (False, Literal(MESSAGE_TYPE, node.place), Literal(f'"{node.type}"', node.place))
        fields = [(one.is_optional, Literal(f'"{one.name}"', one.place), one.value) for one in node.fields]
        return self._map(MapOf((kind, *fields), node.place))

    # -- calls ---------------------------------------------------------------------------------------------------

    def _call(self, node: Call) -> str:
        target, given = node.target, node.arguments
        if target is None:
            return self._function(node)
        if isinstance(target, Name):
            dotted = f"{target.name}.{node.name}"
            if dotted in functions() or dotted in PATCH_FUNCTIONS:
                return self._ours(dotted, self._arguments(given))
        if names := bound_names(node):
            return self._macro(node, target, names)
        return f"{self.text(target)}.{self._ours(node.name, self._arguments(given))}"

    def _function(self, node: Call) -> str:
        given = node.arguments
        if node.name == "has" and len(given) == 1 and isinstance(given[0], Select):
            return self._has(given[0])
        text = self._arguments(given)
        # The engine's own does not know all that there is.
        return f"string({self._ours('celText', text)})" if node.name == "string" else self._ours(node.name, text)

    def _arguments(self, given: tuple[Node, ...]) -> str:
        return ", ".join(self.text(argument) for argument in given)

    def _has(self, node: Select) -> str:
        if self._dotted(node):
            # Else the expression was refused.
            return "true"
        target = self.text(node.target)
        field = _field(node)
        if node.is_optional or _is_optional(node.target):
            return self._ours("celOptionalItem", target, f'"{field}"') + ".hasValue()"
        found = f"has({target}.{field})" if _is_plain(field) else f'("{field}" in {target})'
        if self._is_of_admission and _is_chain(node.target):
            # What is no map has no field, as an old object that is null.
            return f"(type({target}) == type({{}}) && {found})"
        return found

    # -- macros --------------------------------------------------------------------------------------------------

    def _macro(self, node: Call, target: Node, names: list[str]) -> str:
        if node.name in _BINDING:
            return self._binding(node, target, *names)
        if len(names) > 1:
            return self._with_two(node, target, names)
        return f"{self.text(target)}.{node.name}({names[0]}, {self._arguments(node.arguments[1:])})"

    def _with_two(self, node: Call, target: Node, names: list[str]) -> str:
        """Over pairs of index (or key) and value, each of which is bound to the two names in turn."""
        bodies = node.arguments[len(names) :]
        pair = self._fresh()

        def bound(body: Node) -> str:
            text = self.text(body)
            return f"[{pair}[0]].map({names[0]}, [{pair}[1]].map({names[1]}, {text})[0])[0]"

        pairs = self._ours("celPairs", self.text(target))
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

    def _binding(self, node: Call, target: Node, name: str) -> str:
        whole = self.text(target)
        body = self.text(node.arguments[1])
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


def _field(node: Select) -> str:
    return node.field if node.is_quoted else field_named(node.field)


def _is_plain(field: str) -> bool:
    return field.isidentifier() and field.isascii() and field not in RESERVED


def _is_chain(node: Node) -> bool:
    """Whether it is a name, or fields and items of one: short, and without anything that goes on."""
    while isinstance(node, Select) or (isinstance(node, Index) and isinstance(node.index, Literal | Name)):
        node = node.target
    return isinstance(node, Name)


def _is_optional(node: Node) -> bool:
    """Whether a chain of fields and items has something optional in it: all that follows is then optional, too."""
    while isinstance(node, Select | Index):
        if node.is_optional:
            return True
        node = node.target
    return False


def _marked(is_optional: bool, text: str) -> str:
    return text if is_optional else f"optional.of({text})"
