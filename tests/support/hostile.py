"""Values that a structural schema lets through and nobody sane would write: extremes, control characters, wrong sorts.

`stretched` values also break the schema's own bounds (not its types and enumerations): objects may be older than the
bounds, or were stored under somebody else's definition of the kind.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hypothesis import strategies as st

from crossfade_kube.meta import JsonObject

Texts = Mapping[str, st.SearchStrategy[str]]

NUMBERS: Final = (
    0,
    1,
    2,
    80,
    100,
    9080,
    -1,
    255,
    65_535,
    65_536,
    2_147_483_647,
    2_147_483_648,
    4_294_967_295,
    4_294_967_296,
    5_000_000_000,
    10_000_000_000,
    315_576_000_001,
    (1 << 63) - 1,
    -(1 << 63),
)
REGEXES: Final = (
    ".*",
    "a|b",
    "(",
    "[",
    "*",
    "(?P<a>x)(?P<a>y)",
    "\\C",
    "\\Qa.b\\E",
    "\\101bc",
    "(?!a)",
    "a{1001}",
    "(a{1,1000}){1,1000}",
    "((a{1,100}){1,100}){1,100}",
    "\\pN{500}" * 20,
    "[^\\x00-\\x{10FFFF}]",
    "(?i)k\u017f",
    "\x00",
    "",
)
STRANGE: Final = (
    "",
    " ",
    "/",
    "*",
    "a" * 256,
    "a" * 20_000,
    "\x00",
    "a\x00b",
    "a\r\nb: c",
    "\x7f\x1b[31m",
    "é",
    "\u202e\u200b",
    "\U0001f3b7",
    "\ufffe\uffff",
    "a b",
    "%s%n",
    "%FOO%",
    "%",
    "{}",
    "../../etc/passwd",
    ":authority",
    "host",
    "content-length",
)


def strange_text() -> st.SearchStrategy[str]:
    return st.sampled_from(STRANGE) | st.text(max_size=20)


def regex() -> st.SearchStrategy[str]:
    return st.sampled_from(REGEXES) | st.text(alphabet="ab()[]{}|*+?\\^$.-,0129:<>=!PpQECZ", max_size=30)


def number(schema: JsonObject) -> st.SearchStrategy[int]:
    sane = st.integers(schema.get("minimum", -1), min(schema.get("maximum", 1000), 100_000))
    return sane | st.sampled_from(NUMBERS) | st.integers(-(1 << 63), (1 << 63) - 1)


def value(schema: JsonObject, texts: Texts, *, field: str = "", one_of: tuple[frozenset[str], ...] = ()) -> Any:
    """A strategy; `texts` by field name, `one_of` are groups of fields of which mostly one is given."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "boolean":
            return st.booleans()
        case "integer":
            return number(schema)
        case "string":
            return texts[field] | strange_text() if field in texts else strange_text()
        case "array":
            item = value(schema["items"], texts, field=field, one_of=one_of)
            return st.lists(item, max_size=3) | item.map(lambda found: [found] * 40)
        case "object" if "properties" in schema:
            return _structure(schema, texts, one_of)
        case "object":
            return st.dictionaries(strange_text(), strange_text(), max_size=2)
    raise AssertionError(f"{field}: no strategy for {schema}")


def _structure(schema: JsonObject, texts: Texts, one_of: tuple[frozenset[str], ...]) -> st.SearchStrategy[Any]:
    fields = {name: value(part, texts, field=name, one_of=one_of) for name, part in schema["properties"].items()}
    required = set(schema.get("required", ()))
    group = next((found for found in one_of if found <= fields.keys() and not found & required), frozenset())
    always = {name: found for name, found in fields.items() if name in required}
    maybe = {name: found for name, found in fields.items() if name not in required}
    anything = st.fixed_dictionaries(always, optional=maybe)
    if not group:
        return anything
    rest = {name: found for name, found in maybe.items() if name not in group}
    chosen = [st.fixed_dictionaries({**always, name: fields[name]}, optional=rest) for name in sorted(group)]
    return st.one_of(*chosen) | anything


Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def planted(draw: Draw, template: Any, schema: JsonObject, texts: Texts, one_of: tuple[frozenset[str], ...]) -> Any:
    """The template with one to three of its places changed to what the schema lets through there."""
    found = template
    for _ in range(draw(st.integers(1, 3))):
        found = _changed(draw, found, schema, lambda part, field: value(part, texts, field=field, one_of=one_of))
    return found


Make = Callable[[JsonObject, str], st.SearchStrategy[Any]]


def _changed(draw: Draw, old: Any, schema: JsonObject, make: Make, field: str = "") -> Any:
    """Goes down a random way; most ends are leaves."""
    goes_on = draw(st.integers(0, 9)) > 0 or not field
    properties = schema.get("properties")
    if goes_on and properties and isinstance(old, dict):
        # What is there already leads further than what is not.
        names = sorted(properties.keys() & old.keys()) * 3 + sorted(properties)
        name = draw(st.sampled_from(names))
        if name not in old:
            return {**old, name: draw(make(properties[name], name))}
        return {**old, name: _changed(draw, old[name], properties[name], make, name)}
    if goes_on and isinstance(old, list) and old:
        index = draw(st.integers(0, len(old) - 1))
        item = _changed(draw, old[index], schema["items"], make, field)
        doubled = [item] if draw(st.integers(0, 9)) == 0 else []
        return [*old[:index], item, *doubled, *old[index + 1 :]]
    return draw(make(schema, field))
