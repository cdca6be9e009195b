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
        case "number":
            return number(schema) | st.floats(allow_nan=False, allow_infinity=False)
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
Path = tuple[str | int, ...]
Make = Callable[[JsonObject, str], st.SearchStrategy[Any]]


@st.composite
def planted(draw: Draw, template: Any, schema: JsonObject, texts: Texts, one_of: tuple[frozenset[str], ...]) -> Any:
    """The template with some of its places changed to what the schema lets through there."""

    def make(part: JsonObject, field: str) -> st.SearchStrategy[Any]:
        made: st.SearchStrategy[Any] = value(part, texts, field=field, one_of=one_of)
        return made

    found = template
    for path in draw(st.lists(st.sampled_from(leaves(template)), max_size=4, unique=True)):
        found = _replaced(draw, found, schema, make, path)
    return _changed(draw, found, schema, make) if draw(st.integers(0, 3)) == 0 else found


def leaves(template: Any, path: Path = ()) -> list[Path]:
    """Every place alike, however deep, so that each is tried often."""
    if isinstance(template, dict) and template:
        return [leaf for name, item in template.items() for leaf in leaves(item, (*path, name))]
    if isinstance(template, list) and template:
        return [leaf for index, item in enumerate(template) for leaf in leaves(item, (*path, index))]
    return [path]


def _replaced(draw: Draw, old: Any, schema: JsonObject, make: Make, path: Path, field: str = "") -> Any:
    if not path:
        return draw(make(schema, field))
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        return [
            _replaced(draw, item, schema["items"], make, rest, field) if index == step else item
            for index, item in enumerate(old)
        ]
    if "properties" not in schema:
        return draw(make(schema, field))
    return {**old, step: _replaced(draw, old[step], schema["properties"][step], make, rest, step)}


def _changed(draw: Draw, old: Any, schema: JsonObject, make: Make, field: str = "") -> Any:
    """Adds, doubles or replaces something, leaf or not, at the end of a random way."""
    goes_on = draw(st.integers(0, 9)) > 0 or not field
    properties = schema.get("properties")
    if goes_on and properties and isinstance(old, dict):
        name = draw(st.sampled_from(sorted(properties)))
        if name not in old:
            return {**old, name: draw(make(properties[name], name))}
        return {**old, name: _changed(draw, old[name], properties[name], make, name)}
    if goes_on and isinstance(old, list) and old:
        index = draw(st.integers(0, len(old) - 1))
        item = _changed(draw, old[index], schema["items"], make, field)
        doubled = [item] if draw(st.integers(0, 3)) == 0 else []
        return [*old[:index], item, *doubled, *old[index + 1 :]]
    return draw(make(schema, field))
