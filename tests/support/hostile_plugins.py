"""Configurations of plugins, drawn from their schemas: right, of the wrong type, extreme."""

import math
from typing import Any, Final

from hypothesis import strategies as st

from crossfade.compile.policies.registry import PLUGINS
from crossfade.compile.policies.schema import Field
from tests.support import hostile

Config = dict[str, Any]

POINTERS: Final = (
    "", "/", "/minute", "/key_names/-", "/key_names/0", "/key_names/9", "/a/b/c", "minute", "//", "/~1~0",
    "/redis/port",    "/minute/deeper", "/key_names/٣", "/key_names/²", "\x00", "/-", "/limits/" + "a/" * 2000,
)  # fmt: skip


def _nested(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


_LEAVES: Final = (
    st.none()
    | st.booleans()
    | st.sampled_from(hostile.NUMBERS)
    | st.sampled_from((0.5, -0.0, 1e300, 5e-324, math.nan, math.inf, 1 << 64, 10**400, 429, 700, 99))
    | hostile.strange_text()
    | st.sampled_from(("\ud800", "\udfff", "a", "1", "true"))
)
ANY_JSON: Final = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile.strange_text(), inner, max_size=3),
    max_leaves=5,
) | st.just(130).map(_nested)


def field_values(field: Field) -> st.SearchStrategy[Any]:
    """Mostly of the right type."""
    right = _right(field)
    return right | right | right | ANY_JSON


def _right(field: Field) -> st.SearchStrategy[Any]:
    if field.one_of:
        return st.sampled_from(field.one_of)
    if field.fields is not None:
        return _records(field.fields)
    if field.type == "map" and field.elements is not None:
        return st.dictionaries(hostile.strange_text() | st.just("sms"), field_values(field.elements), max_size=3)
    if field.elements is not None:
        return st.lists(field_values(field.elements), max_size=3)
    match field.type:
        case "boolean":
            return st.booleans()
        case "number" | "integer":
            return st.integers(-1, 700) | st.floats() | st.sampled_from(hostile.NUMBERS)
        case "string":
            return (
                hostile.strange_text()
                | hostile.regex()
                | st.sampled_from(("/a", "apikey", "ann", "X-Version", "\ud800"))
            )
    return ANY_JSON


def _records(fields: dict[str, Field]) -> st.SearchStrategy[Config]:
    known = {name: field_values(field) for name, field in fields.items()}
    few = st.sampled_from(sorted(fields)).flatmap(lambda name: st.fixed_dictionaries({name: known[name]}))
    odd = hostile.strange_text().flatmap(lambda name: st.fixed_dictionaries({name: ANY_JSON}))
    return st.one_of(few, few, st.fixed_dictionaries({}, optional=known), odd)


CONFIGS: Final = {name: _records(plugin.schema.fields) for name, plugin in PLUGINS.items()}


def plugin_bodies() -> st.SearchStrategy[Config]:
    """A plugin object without its metadata."""
    names = st.sampled_from(sorted(CONFIGS))
    inline = names.flatmap(lambda name: st.fixed_dictionaries({"plugin": st.just(name), "config": CONFIGS[name]}))
    ref = st.fixed_dictionaries(
        {"name": st.sampled_from(("config", "ghost")), "key": st.sampled_from(("config", "other"))},
        optional={"namespace": st.sampled_from(("shop", "other", ""))},
    )
    source = st.fixed_dictionaries({"secretKeyRef": ref})
    patch = st.fixed_dictionaries({"path": st.sampled_from(POINTERS) | hostile.strange_text(), "valueFrom": source})
    sourced = st.fixed_dictionaries({"plugin": names, "configFrom": source})
    patched = st.builds(
        lambda body, patches: {**body, "configPatches": patches}, inline, st.lists(patch, min_size=1, max_size=3)
    )
    extra = st.fixed_dictionaries(
        {},
        optional={
            "disabled": st.booleans(),
            "protocols": st.lists(st.sampled_from(("http", "https", "grpc", "tcp", "", "\ud800")), max_size=2),
            "instance_name": hostile.strange_text(),
            "ordering": st.dictionaries(hostile.strange_text(), ANY_JSON, max_size=1),
            "plugin": st.sampled_from(("moon", "", "a<b>", "\ud800", "acl")),
        },
    )
    bodies = st.one_of(inline, inline, sourced, patched)
    return bodies | st.builds(lambda body, more: {**body, **more}, bodies, extra)
