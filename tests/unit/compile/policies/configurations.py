"""Hypothesis strategies: configurations of a plugin, right ones and hostile ones."""

from typing import Any

from hypothesis import strategies as st

from crossfade.compile.policies.schema import Field, Schema

_WORDS = st.sampled_from(["", "a", "X-Header", "/path", "two words", "ä", "*", "a\r\nx: y", "\t", "\x00", "\ud800"])
_NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 1.5, 2**31, 2**53, 2**64, 10**400])
_ANYTHING = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _WORDS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def configurations(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly fields that exist, mostly with values of their type."""
    known = st.fixed_dictionaries({}, optional={name: _field(field) for name, field in schema.fields.items()})
    nothing: st.SearchStrategy[dict[str, Any]] = st.just({})
    foreign = nothing | nothing | st.dictionaries(st.text(), _ANYTHING, max_size=2)
    return st.builds(lambda first, second: {**first, **second}, foreign, known)


def _field(field: Field) -> st.SearchStrategy[Any]:
    right = _right(field)
    return st.one_of(right, right, right, _ANYTHING)


def _right(field: Field) -> st.SearchStrategy[Any]:
    if field.one_of:
        return st.sampled_from(field.one_of)
    match field.type:
        case "boolean":
            return st.booleans()
        case "array" | "set":
            return st.lists(_field(field.elements) if field.elements else _ANYTHING, max_size=4)
        case "map":
            return st.dictionaries(
                _WORDS | st.text(), _field(field.elements) if field.elements else _ANYTHING, max_size=3
            )
        case "record":
            return configurations(Schema(field.fields or {}))
        case "string":
            return _WORDS | st.text()
        case "integer" | "number":
            return st.integers(1, 1000) | _NUMBERS
        case _:
            return _ANYTHING
