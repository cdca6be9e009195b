"""What a call costs at most beside what it is given, and how large its result is, as Kubernetes estimates it.

What goes through a text costs as its length does, what matches a pattern as both lengths do, what compares all items
with all as the square of how many there are. Everything else costs one.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from crossfade_local.apiserver.crd.cel_types.declarations import Overload
from crossfade_local.apiserver.crd.cel_types.expression import Applied, Constant, Expression
from crossfade_local.apiserver.crd.cel_types.ranges import LARGEST, Range, exactly
from crossfade_local.apiserver.crd.cel_types.types import BYTES, INT, STRING, Kind, Type

_TEXT: Final = 0.1
_PATTERN: Final = 0.25
_LONGEST_FORMAT: Final = 128
_NEW_LIST: Final = 10
_ADDRESS: Final = Range(4, 16)
ONE: Final = exactly(1)


class Called(NamedTuple):
    call: Applied
    overload: Overload
    size: Callable[[Expression], Range]
    item_size: Callable[[Expression], Range]
    """Of the items of a list."""

    @property
    def target(self) -> Range:
        return self.size(self.call.target) if self.call.target is not None else ONE

    def given(self, place: int) -> Range:
        return self.size(self.call.given[place])


class Estimate(NamedTuple):
    cost: Range = ONE
    size: Range | None = None


_Estimator = Callable[[Called], Estimate]


def estimate(called: Called) -> Estimate:
    estimator = _ESTIMATORS.get(called.call.function)
    return estimator(called) if estimator else Estimate()


def _number(one: Expression, otherwise: int) -> int:
    if isinstance(one, Constant) and one.kind == INT and isinstance(one.value, int):
        return max(one.value, 0)
    return otherwise


# -- texts -----------------------------------------------------------------------------------------------------------


def _of_first(factor: float = _TEXT, *, keeps_size: bool = False) -> _Estimator:
    """Reads what it is given first."""
    return lambda called: Estimate(called.given(0).scaled(factor), called.given(0) if keeps_size else None)


def _of_target(*, keeps_size: bool) -> _Estimator:
    return lambda called: Estimate(called.target.scaled(_TEXT), called.target if keeps_size else None)


def _matched(called: Called) -> Estimate:
    """A pattern without a target is a function of another name in Kubernetes."""
    if called.call.target is None:
        return Estimate()
    return Estimate(_pattern_cost(called))


def _pattern_cost(called: Called) -> Range:
    return called.target.plus(ONE).scaled(_TEXT).times(called.given(0).scaled(_PATTERN))


def _found(called: Called) -> Estimate:
    return Estimate(_pattern_cost(called), Range(0, called.target.high))


def _contained(called: Called) -> Estimate:
    return Estimate(called.target.scaled(_TEXT).times(called.given(0).scaled(_TEXT)))


def _split(called: Called) -> Estimate:
    most = called.target.high
    if len(called.call.given) > 1:
        most = _number(called.call.given[1], most)
    return Estimate(called.target.scaled(2 * _TEXT), Range(0, most))


def _replaced(called: Called) -> Estimate:
    whole, old, new = called.target, called.given(0), called.given(1)
    if old.low == 0:
        longest = min(whole.high + 1, LARGEST) * new.high + whole.high
    elif new.high <= old.low:
        longest = whole.high
    else:
        longest = -(-whole.high // old.low) * new.high
    if old.high == 0:
        shortest = (whole.low + 1) * new.low + whole.low
    elif old.high <= new.low:
        shortest = whole.low
    else:
        shortest = -(-whole.low // old.high) * new.low
    return Estimate(whole.scaled(2 * _TEXT), Range(min(shortest, LARGEST), min(longest, LARGEST)))


def _joined(called: Called) -> Estimate:
    assert called.call.target is not None
    many = called.target
    size = many.times(called.item_size(called.call.target)) if called.call.target.type.inside else exactly(0)
    if called.call.given:
        between = Range(max(many.low - 1, 0), max(many.high - 1, 0))
        size = size.plus(called.given(0).times(between))
    return Estimate(size.scaled(_TEXT), size)


def _converted(called: Called) -> Estimate:
    size, from_ = called.given(0), called.overload.given[0]
    if called.call.function == "bytes" and from_ == STRING:
        return Estimate(size.scaled(_TEXT), Range(size.low, min(size.high * 4, LARGEST)))
    if called.call.function == "string" and from_ == BYTES:
        return Estimate(size.scaled(_TEXT), Range(size.low // 4, size.high))
    return Estimate()


def _quoted(called: Called) -> Estimate:
    size = called.given(0)
    return Estimate(size.scaled(_TEXT), Range(size.low + 2, min(size.high * 2 + 2, LARGEST)))


def _validated(called: Called) -> Estimate:
    return Estimate(called.given(0).scaled(_TEXT).scaled(_LONGEST_FORMAT * _PATTERN))


# -- lists -----------------------------------------------------------------------------------------------------------


def _compared_items(called: Called) -> Estimate:
    target = called.call.target
    if target is None or not target.type.inside:
        return Estimate(called.target.scaled(_TEXT))
    each = ONE
    if target.type.inside[0] in (STRING, BYTES):
        each = each.plus(called.item_size(target).scaled(_TEXT))
    return Estimate(called.target.times(each))


def _in(called: Called) -> Estimate:
    return Estimate(called.given(1)) if called.overload.given[1].kind is Kind.LIST else Estimate()


def _allocated(size: Range, factor: float = 1) -> Estimate:
    return Estimate(size.scaled(factor).plus(exactly(1 + _NEW_LIST)), size)


def _sliced(called: Called) -> Estimate:
    start, end = _number(called.call.given[0], 0), _number(called.call.given[1], called.target.high)
    return _allocated(exactly((end - start) % (LARGEST + 1)))


def _flattened(called: Called) -> Estimate:
    return _allocated(called.target, _number(called.call.given[0], LARGEST) if called.call.given else 1)


def _sorted(called: Called) -> Estimate:
    """By itself, or by the keys that it is given."""
    size = called.given(0) if called.call.given else called.target
    keys = called.overload.given[-1].inside[0]
    squared = size.times(size)
    return _allocated(squared, 2 + _TEXT if keys in (STRING, BYTES) else 2)


def _set(factor: int) -> _Estimator:
    return lambda called: Estimate(called.given(0).times(called.given(1)).scaled(factor).plus(ONE))


# -- addresses -------------------------------------------------------------------------------------------------------


def _ip(called: Called) -> Estimate:
    return Estimate(called.given(0).scaled(_TEXT)) if called.call.given else Estimate()


def _contains_address(called: Called) -> Estimate:
    cost = _ADDRESS.plus(_ADDRESS).scaled(_TEXT)
    if called.call.function == "containsCIDR":
        cost = cost.plus(_ADDRESS.scaled(_TEXT)).plus(ONE)
    if called.overload.given[1] == STRING:
        cost = cost.plus(called.given(0).scaled(_TEXT))
    return Estimate(cost)


# -- operators -------------------------------------------------------------------------------------------------------

_CHEAP: Final = frozenset(("net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"))


def _equal(called: Called) -> Estimate:
    kinds = [one.type for one in called.call.given]
    if called.call.function == "_==_" and kinds[0] == kinds[1]:
        if kinds[0].name in _CHEAP or kinds[0].name.startswith("kubernetes.authorization."):
            return Estimate()
        if kinds[0].name == "kubernetes.NamedFormat":
            return Estimate(Range(1, 64).scaled(_TEXT))
        if kinds[0].name == "kubernetes.URL":
            return Estimate(Range(1, called.given(1).high if called.given(1).high < LARGEST else 1).scaled(_TEXT))
    return _smaller_of_both(called)


def _smaller_of_both(called: Called) -> Estimate:
    most = min(called.given(0).high, called.given(1).high)
    return Estimate(Range(1 if most else 0, most).scaled(_TEXT))


def _ordered(called: Called) -> Estimate:
    return _smaller_of_both(called) if _is_text(called.overload.given[0]) else Estimate()


def _is_text(kind: Type) -> bool:
    return kind in (STRING, BYTES)


def _added(called: Called) -> Estimate:
    kind = called.overload.given[0]
    size = called.given(0).plus(called.given(1))
    if kind.kind is Kind.LIST:
        return Estimate(ONE, size)
    return Estimate(size.scaled(_TEXT), size) if _is_text(kind) else Estimate()


_ESTIMATORS: Final[Mapping[str, _Estimator]] = {
    "check": lambda _: Estimate(exactly(350_000)),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _compared_items),
    "url": _of_first(keeps_size=True),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _of_target(keeps_size=True)),
    "replace": _replaced,
    "split": _split,
    "join": _joined,
    "find": _found,
    "findAll": _found,
    **dict.fromkeys(
        ("cidr", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver", "fieldSelector", "labelSelector"),
        _of_first(),
    ),
    "ip": _ip,
    "ip.isCanonical": _of_first(2 * _TEXT),
    "containsIP": _contains_address,
    "containsCIDR": _contains_address,
    "validate": _validated,
    "slice": _sliced,
    "flatten": _flattened,
    "lists.range": lambda called: _allocated(exactly(_number(called.call.given[0], LARGEST))),
    "reverse": lambda called: _allocated(called.target),
    "distinct": lambda called: _allocated(called.target.times(called.target), 2),
    "sort": _sorted,
    "@sortByAssociatedKeys": _sorted,
    "sets.contains": _set(1),
    "sets.intersects": _set(1),
    "sets.equivalent": _set(2),
    "format": _of_target(keeps_size=False),
    "bytes": _converted,
    "string": _converted,
    "strings.quote": _quoted,
    "startsWith": _of_first(),
    "endsWith": _of_first(),
    "matches": _matched,
    "contains": _contained,
    "@in": _in,
    "_==_": _equal,
    "_!=_": _smaller_of_both,
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _ordered),
    "_+_": _added,
}
