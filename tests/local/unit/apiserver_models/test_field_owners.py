"""Server-side apply and the bookkeeping of other writes against a model of paths and owners."""

from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from crossfade_local.apiserver.apply import ApplyConflict, server_side_apply, track_update
from crossfade_local.apiserver.types.schema import SchemaNode

from .field_owners import ConflictError, Owned
from .shapes import Leaf, ListMap, Map, Path, SetOf, Shape, Struct, flat

TEXT = Leaf({"type": "string"})
NUMBER = Leaf({"type": "integer"})
FROZEN = Leaf({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"x": TEXT.schema, "y": TEXT.schema}})
ORDERED = Leaf({"type": "array", "items": TEXT.schema})
ITEM = Struct({"name": TEXT, "v": TEXT, "inner": Map(TEXT), "tags": SetOf()})
PORT = Struct({"port": NUMBER, "protocol": TEXT, "name": TEXT}, {"protocol": "TCP"})
SPEC = Struct(
    {
        "a": TEXT,
        "labels": Map(TEXT),
        "frozen": FROZEN,
        "ordered": ORDERED,
        "set": SetOf(),
        "items": ListMap(("name",), ITEM),
        "ports": ListMap(("port", "protocol"), PORT),
        "nested": Struct({"c": TEXT, "d": TEXT}),
        "named": Map(Struct({"x": TEXT, "y": TEXT})),
    }
)
ROOT = Struct({"spec": SPEC})
SCHEMA = SchemaNode(
    {
        "type": "object",
        "properties": {
            "apiVersion": TEXT.schema,
            "kind": TEXT.schema,
            "metadata": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "spec": SPEC.schema,
        },
    }
)
VALUES = st.sampled_from("12")


def partly(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def keyed(key: str, keys: st.SearchStrategy[Any], **rest: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    item = st.tuples(keys, partly(**rest)).map(lambda pair: {key: pair[0], **pair[1]})
    return st.lists(item, min_size=1, max_size=3, unique_by=lambda item: (item[key], item.get("protocol", "TCP")))


SPECS = partly(
    a=VALUES,
    labels=st.dictionaries(st.sampled_from("pq"), VALUES),
    frozen=partly(x=VALUES, y=VALUES),
    ordered=st.lists(VALUES, max_size=2),
    set=st.lists(st.sampled_from("stu"), min_size=1, unique=True),
    items=keyed(
        "name",
        st.sampled_from("ijk"),
        v=VALUES,
        inner=st.dictionaries(st.sampled_from("pq"), VALUES),
        tags=st.lists(st.sampled_from("st"), min_size=1, unique=True),
    ),
    ports=keyed("port", st.sampled_from([1, 2]), protocol=st.sampled_from(["TCP", "UDP"]), name=VALUES),
    nested=partly(c=VALUES, d=VALUES),
    named=st.dictionaries(st.sampled_from("mn"), partly(x=VALUES, y=VALUES)),
)
APPLY = st.tuples(st.sampled_from(["a", "b"]), SPECS, st.booleans())
UPDATE = st.tuples(st.sampled_from(["u", "v"]), SPECS, st.none())


def whole(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}


def owners_of(obj: dict[str, Any]) -> dict[str, set[Path]]:
    return {
        entry["manager"]: set(fields_paths(entry["fieldsV1"])) for entry in obj["metadata"].get("managedFields", ())
    }


def fields_paths(fields: dict[str, Any], path: Path = ()) -> list[Path]:
    """Of FieldsV1."""
    found = [path] if path and (not fields or "." in fields) else []
    for name, inner in fields.items():
        if name != ".":
            found += fields_paths(inner, (*path, name))
    return found


def lists_of(shape: Shape, value: Any, path: Path = ()) -> dict[Path, list[str]]:
    """The order of each list whose items have paths."""
    found: dict[Path, list[str]] = {}
    match shape:
        case Struct() | Map():
            for name, inner in value.items():
                below = shape.fields[name] if isinstance(shape, Struct) else shape.values
                found |= lists_of(below, inner, (*path, f"f:{name}"))
        case SetOf():
            return {path: [next(iter(flat(shape, [item])))[-1] for item in value]}
        case ListMap():
            found = {path: [shape.element(item) for item in value]}
            for item in value:
                found |= lists_of(shape.items, item, (*path, shape.element(item)))
    return found


def assert_in_order(result: Any, config: Any) -> None:
    """Items stand in the order in which they were applied, whatever stands between them."""
    found = lists_of(ROOT, {"spec": result.get("spec", {})})
    for path, wanted in lists_of(ROOT, {"spec": config}).items():
        assert [element for element in found[path] if element in wanted] == wanted


@settings(max_examples=max(80, settings.default.max_examples // 2))
@given(st.lists(st.one_of(APPLY, APPLY, UPDATE), min_size=2, max_size=8))
def test_every_write_leaves_the_fields_and_owners_of_the_model(steps: list[tuple[str, Any, bool | None]]) -> None:
    model, live = Owned(ROOT), None
    for number, (manager, spec, force) in enumerate(steps):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        if force is None:
            model.update(manager, {"spec": spec})
            sent = whole(spec)
            live = track_update(live, sent, manager=manager, subresource="", schema=SCHEMA, now=now)
        else:
            if model.would_part_items(manager, {"spec": spec}):
                return
            try:
                new = server_side_apply(
                    live, whole(spec), manager=manager, force=force, subresource="", schema=SCHEMA, now=now
                )
            except ApplyConflict as refused:
                found = {(one.manager.manager, one.path) for one in refused.conflicts}
                assert found == conflicts_of(model, manager, spec)
                continue
            model.apply(manager, {"spec": spec}, force=force)
            live = new
            if not model.lacks_keys("protocol"):
                assert_in_order(new, spec)
        if model.lacks_keys("protocol"):
            return
        assert flat(ROOT, {"spec": live["spec"]} if "spec" in live else {}) == model.parts
        assert owners_of(live) == model.owners


def conflicts_of(model: Owned, manager: str, spec: Any) -> set[tuple[str, Path]]:
    try:
        model.apply(manager, {"spec": spec}, force=False)
    except ConflictError as refused:
        return refused.conflicts
    return set()
