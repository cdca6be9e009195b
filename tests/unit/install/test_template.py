"""How holes in manifests are filled, and what becomes of values that do not exist. Helm agrees: tests/charts."""

from typing import Any

import pytest

from crossfade.install.template.evaluate import Context, evaluate
from crossfade.install.template.nodes import (
    ABSENT,
    All,
    AnyOf,
    Each,
    EachText,
    Environment,
    FirstOf,
    Given,
    HasApi,
    Is,
    Item,
    Joined,
    Largest,
    Merged,
    More,
    Not,
    Number,
    Release,
    Sum,
    Unlisted,
    Value,
    When,
    Words,
    text,
)
from crossfade.install.template.values import (
    PORT,
    TEXT,
    RefusedValuesError,
    Remark,
    ValueSpec,
    ValueTable,
    labels,
    merged,
    refuse,
    said,
    variables,
)

VALUES = {
    "a": {"name": "x", "port": 80, "none": None, "empty": "", "off": False},
    "list": [{"p": 1, "w": ["u", "v"]}, {"p": 2}],
    "texts": ["one", "two"],
    "env": {"x": "1", "big": 1000000, "flag": True, "from": {"valueFrom": {"fieldRef": {"fieldPath": "f"}}}},
}
CONTEXT = Context(VALUES, "rel", "ns", "1.0", frozenset({"g/v1/K"}))


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"a": Given("a.empty"), "b": Given("a.port")}, {"b": 80}),
        (Value("a.missing"), None),
        (Unlisted("a.b.c", "d"), "d"),
        (Unlisted("a.port.c", "d"), "d"),
        (text(Release("Name"), "-", Value("a.port"), Value("a.none")), "rel-80"),
        (Joined(", ", (Value("a.name"), When(Value("a.off"), "no"), Words(Value("texts")))), "x, one two"),
        (text("=", Number("env.big")), "=1000000"),
        (FirstOf((Value("a.empty"), Value("a.port"), "z")), 80),
        (FirstOf((Value("a.empty"), "")), ""),
        (When(Value("a.off"), 1), ABSENT),
        ([When(Value("a.name"), (1, 2)), When(Value("a.off"), 3), Given("texts"), 4], [1, 2, "one", "two", 4]),
        (
            [Each(Value("list"), {"port": Item("p"), "w": Item("w")})],
            [{"port": 1, "w": ["u", "v"]}, {"port": 2, "w": ""}],
        ),
        (EachText(Value("list"), Joined(" ", (Item("p"), Words(Item("w"))))), "1 u v, 2"),
        (All((Value("a.name"), Not(Value("a.off")))), True),
        (AnyOf((Value("a.off"), Value("a.empty"))), False),
        (Is(Value("a.port"), "80"), True),
        (HasApi("g/v1/K"), True),
        (HasApi("g/v1/L"), False),
        (Sum((Largest((1, Value("a.port"))), 2)), 82),
        (Merged({"l": "m"}, (Given("a"),)), {"l": "m", **VALUES["a"]}),
    ],
    ids=str,
)
def test_how_holes_are_filled(node: Any, expected: Any) -> None:
    assert evaluate(node, CONTEXT) == expected


def test_variables_are_sorted_and_later_ones_count() -> None:
    node = Environment(
        {"P_X": "fixed", "P_Y": Given("a.empty"), "A": "b"},
        (More(Value("env"), "P_", without=("flag",)), More(Value("env"), only=("flag",))),
        ({"name": "LAST"},),
    )
    assert evaluate(node, CONTEXT) == [
        {"name": "A", "value": "b"},
        {"name": "P_BIG", "value": "1000000"},
        {"name": "P_FROM", "valueFrom": {"fieldRef": {"fieldPath": "f"}}},
        {"name": "P_X", "value": "1"},
        {"name": "flag", "value": "true"},
        {"name": "LAST"},
    ]


def test_nothing_is_shared_with_the_values() -> None:
    found = evaluate({"env": Value("env")}, CONTEXT)
    found["env"]["from"]["valueFrom"] = "changed"
    assert VALUES["env"]["from"] == {"valueFrom": {"fieldRef": {"fieldPath": "f"}}}


TABLE = ValueTable(
    (
        ValueSpec("a.port", 80, PORT, "A port."),
        ValueSpec("a.other", None, {"type": ["integer", "null"]}, "Another."),
        ValueSpec("labels", {}, labels(but=("taken",)), "Labels."),
        ValueSpec("env", {}, variables(), "Variables."),
        ValueSpec("name", "x", TEXT, "A name."),
    ),
    refused=(
        Remark("gone.enabled", "it is gone; leave it out"),
        Remark("name", "it is y; say x", Is(Value("name"), "y")),
    ),
    idle=(Remark("idle", "has no effect: it idles"),),
)


def test_values_are_merged_as_helm_does() -> None:
    defaults = {"a": {"b": 1, "c": 2}, "l": [1, 2], "n": 1}
    assert merged(defaults, {"a": {"b": 3}, "l": [3], "n": None, "m": None}) == {
        "a": {"b": 3, "c": 2},
        "l": [3],
        "m": None,
    }


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"a": {"port": 0}}, "a.port: 0 is less than the minimum"),
        ({"a": {"port": None}}, 'a: "port" is a required property'),
        ({"a": {"prot": 1}}, "'prot' was unexpected"),
        ({"labels": {"taken": "x"}}, "labels: "),
        ({"env": {"a-b": "x"}}, "env: "),
        ({"env": {"a": {"valueFrom": 1}}}, "env.a: "),
        ({"env": {"a": None}}, "env.a: "),
    ],
)
def test_the_schema_names_what_it_forbids(given: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        TABLE.complete(given)


def test_what_is_refused_is_told_at_once_and_what_idles_is_said() -> None:
    def context(given: dict[str, Any]) -> Context:
        return Context(TABLE.complete(given), "r", "n", "1")

    taken = context({"idle": {"a": 1}, "gone": {"enabled": False}, "a": {"other": 1}})
    refuse(TABLE, taken)
    assert said(TABLE.idle, taken) == ["idle: has no effect: it idles"]
    with pytest.raises(RefusedValuesError) as found:
        refuse(TABLE, context({"gone": {"enabled": True, "more": 1}, "name": "y"}))
    assert str(found.value) == "gone.enabled: it is gone; leave it out\nname: it is y; say x"
