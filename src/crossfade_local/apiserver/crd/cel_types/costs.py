"""What an expression costs at most to evaluate, as Kubernetes estimates it from the sizes that a schema allows."""

from typing import Final, NamedTuple

from crossfade_local.apiserver.crd.cel_types.call_costs import Called, estimate
from crossfade_local.apiserver.crd.cel_types.expansion import AND, CHOICE, OR
from crossfade_local.apiserver.crd.cel_types.expression import (
    Applied,
    Constant,
    Entries,
    Expression,
    Field,
    Identifier,
    Items,
    Loop,
)
from crossfade_local.apiserver.crd.cel_types.ranges import LARGEST, NOTHING, UNKNOWN, Range, exactly, total
from crossfade_local.apiserver.crd.cel_types.schemas import Declared
from crossfade_local.apiserver.crd.cel_types.types import (
    BOOL,
    DOUBLE,
    DURATION,
    INT,
    TIMESTAMP,
    UINT,
    Kind,
    Type,
    without_optional,
)

_ONE: Final = exactly(1)
_FREE: Final = exactly(0)
_NEW_LIST: Final = exactly(10)
_NEW_MAP: Final = exactly(30)
_SCALARS: Final = (BOOL, DOUBLE, DURATION, INT, TIMESTAMP, UINT)
_Path = tuple[str, ...]


class _Inner(NamedTuple):
    """The sizes of what is in a list or a map."""

    kind: Kind
    key: Range
    value: Range

    def or_(self, other: "_Inner | None") -> "_Inner | None":
        return _Inner(self.kind, self.key.or_(other.key), self.value.or_(other.value)) if other else None


class _Local(NamedTuple):
    path: _Path
    size: Range | None
    inner: _Inner | None = None


def most(expression: Expression, own: Declared) -> int:
    """`own` is what `self` is. The types of the expression are right."""
    try:
        return _Coster(own).cost(expression).high
    except RecursionError:
        # Deeper than Kubernetes reads expressions at all.
        return LARGEST


class _Coster:
    def __init__(self, own: Declared) -> None:
        self._own = own
        self._costs: dict[Expression, Range] = {}
        self._paths: dict[Expression, _Path] = {}
        self._sizes: dict[Expression, Range] = {}
        self._inner: dict[Expression, _Inner] = {}
        self._locals: dict[str, list[_Local]] = {}

    def cost(self, one: Expression) -> Range:
        if one not in self._costs:
            self._costs[one] = self._cost(one)
        return self._costs[one]

    def _cost(self, one: Expression) -> Range:
        match one:
            case Identifier():
                self._paths[one] = self._path(one) or (one.name,)
                return _ONE
            case Field():
                return self._field(one)
            case Applied():
                return self._applied(one)
            case Items():
                return self._items(one)
            case Entries():
                return self._entries(one)
            case Loop():
                return self._bound(one) if _is_binding(one) else self._loop(one)
        return _FREE

    # -- sizes ---------------------------------------------------------------------------------------------------

    def _local(self, one: Expression) -> _Local | None:
        known = self._locals.get(one.name) if isinstance(one, Identifier) else None
        return known[-1] if known else None

    def _path(self, one: Expression) -> _Path:
        local = self._local(one)
        return local.path if local else self._paths.get(one, ())

    def _declared(self, path: _Path) -> Range | None:
        """The first name is that of a variable."""
        found: Declared | None = self._own
        for name in path[1:]:
            if found is None:
                return None
            if name == "@keys":
                return _FREE if found.type.kind is Kind.MAP else None
            found = found.items if name in ("@items", "@values") else found.fields.get(name)
        return Range(0, found.most) if path and found else None

    def _known_size(self, one: Expression) -> Range | None:
        if one not in self._sizes:
            size = _written_size(one) or self._declared(self._path(one)) or _size_of(one.type)
            if size is None:
                local = self._local(one)
                return local.size if local else None
            self._sizes[one] = size
        return self._sizes[one]

    def _size(self, one: Expression) -> Range:
        return self._known_size(one) or UNKNOWN

    def _item_size(self, one: Expression) -> Range:
        path = self._path(one)
        return (self._declared((*path, "@items")) if path else None) or UNKNOWN

    def _inside(self, one: Expression) -> _Inner | None:
        local = self._local(one)
        return self._inner.get(one) or (local.inner if local else None)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _field(self, one: Field) -> Range:
        found = self.cost(one.target)
        if one.is_test:
            return found
        if one.is_optional:
            return found.plus(_ONE)
        self._paths[one] = (*self._path(one.target), one.name)
        return found.plus(_ONE) if one.target.type.kind in (Kind.MAP, Kind.OBJECT) else found

    def _items(self, one: Items) -> Range:
        found = total([self.cost(item) for _, item in one.items])
        sizes = [self._size(item) for _, item in one.items]
        self._inner[one] = _Inner(Kind.LIST, _ONE, _covering(sizes))
        return found.plus(_NEW_LIST)

    def _entries(self, one: Entries) -> Range:
        found = total([self.cost(part) for _, key, value in one.entries for part in (key, value)])
        keys = _covering([self._size(key) for _, key, _ in one.entries])
        values = _covering([self._size(value) for _, _, value in one.entries])
        self._inner[one] = _Inner(Kind.MAP, keys, values)
        return found.plus(_NEW_MAP)

    def _applied(self, one: Applied) -> Range:
        given = [self.cost(argument) for argument in one.given]
        if one.function == "dyn":
            self._same_size(one, one.given[0])
            return given[0].plus(_ONE)
        if one.function in (AND, OR):
            return Range(given[0].low, total(given).high)
        if one.function == CHOICE:
            return self._choice(one, given)
        target = self.cost(one.target) if one.target is not None and one.is_member else _FREE
        found, size = NOTHING, None
        for overload in one.overloads:
            own = estimate(Called(one, overload, self._size, self._item_size))
            found = found.or_(own.cost)
            if own.size is not None:
                size = size.or_(own.size) if size else own.size
            if one.function == "_[_]" and overload.given[0].kind in (Kind.LIST, Kind.MAP):
                size = self._indexed(one, overload.given[0].kind)
            if one.function == "_+_":
                self._joined_inner(one)
            size = size or self._known_size(one)
        if size is not None:
            self._sizes[one] = size
        return target.plus(found).plus(total(given))

    def _indexed(self, one: Applied, kind: Kind) -> Range | None:
        inner = self._inside(one.given[0])
        self._paths[one] = (*self._path(one.given[0]), "@items" if kind is Kind.LIST else "@values")
        return inner.value if inner else None

    def _joined_inner(self, one: Applied) -> None:
        first, second = map(self._inside, one.given)
        if first and (both := first.or_(second)):
            self._inner[one] = both

    def _choice(self, one: Applied, given: list[Range]) -> Range:
        _, yes, no = one.given
        first = self._inside(yes)
        if first and (both := first.or_(self._inside(no))):
            self._inner[one] = both
        self._sizes[one] = self._size(yes).or_(self._size(no))
        return given[0].plus(given[1].or_(given[2]))

    def _same_size(self, one: Expression, other: Expression) -> None:
        if (size := self._known_size(other)) is not None:
            self._sizes[one] = size
        if inner := self._inside(other):
            self._inner[one] = inner

    # -- loops ---------------------------------------------------------------------------------------------------

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _push_value(self, name: str, value: Expression) -> None:
        self._push(name, _Local(self._path(value), self._known_size(value), self._inside(value)))

    def _bound(self, one: Loop) -> Range:
        found = self.cost(one.over).plus(self.cost(one.start))
        self._push_value(one.sum_name, one.start)
        found = found.plus(self.cost(one.result))
        self._same_size(one, one.result)
        self._locals[one.sum_name].pop()
        return found

    def _loop(self, one: Loop) -> Range:
        found = self.cost(one.over).plus(self.cost(one.start))
        self._push_value(one.sum_name, one.start)
        self._push_variables(one)
        turn = self.cost(one.goes_on).plus(self.cost(one.step))
        for name in one.variables:
            self._locals[name].pop()
        found = found.plus(self.cost(one.result))
        self._locals[one.sum_name].pop()
        turns = self._size(one.over)
        if isinstance(one.start, Constant):
            self._sizes[one] = _ONE
        else:
            self._sizes[one] = turns
            if inner := self._inside(one.step):
                self._inner[one] = inner
        return found.plus(turns.times(turn))

    def _push_variables(self, one: Loop) -> None:
        inner, path = self._inside(one.over), self._path(one.over)
        is_list = (inner.kind if inner else one.over.type.kind) is Kind.LIST
        key = _Local((*path, "@indices" if is_list else "@keys"), inner.key if inner else None)
        value = _Local((*path, "@items" if is_list else "@values"), inner.value if inner else None)
        turn = (key, value) if len(one.variables) == 2 else (value,) if is_list else (key,)
        for name, local in zip(one.variables, turn, strict=True):
            self._push(name, local)


def _is_binding(one: Loop) -> bool:
    is_over_nothing = isinstance(one.over, Items) and not one.over.items
    return is_over_nothing and isinstance(one.goes_on, Constant) and one.goes_on.value is False


def _covering(sizes: list[Range]) -> Range:
    found = NOTHING if sizes else _FREE
    for size in sizes:
        found = found.or_(size)
    return found


def _written_size(one: Expression) -> Range | None:
    match one:
        case Constant():
            return exactly(len(one.value) if isinstance(one.value, str | bytes) else 1)
        case Items():
            return exactly(len(one.items))
        case Entries():
            return exactly(len(one.entries))
    return None


def _size_of(kind: Type) -> Range | None:
    return _ONE if without_optional(kind)[0] in _SCALARS else None
