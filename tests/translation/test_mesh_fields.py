"""Every field of the App Mesh kinds does something: with another value, a golden case compiles to something else.

The fields that do not are listed with the reason: here, or in the table of fields without effect that
`docs/reference/supported.md` prints.
"""

import copy
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import pytest
from generate.reference.field_notes import reason

from crossfade.compile.mesh import MeshModel
from crossfade.install.mesh import mesh_crds
from crossfade_kube.meta import JsonObject
from crossfade_kube.registry import DecodeError
from tests.translation.test_mesh import NAMES, compiled, documents

ELSEWHERE: Final = {
    r"spec\.podSelector\..*": "injection decides which pods are the node or gateway (tests/unit/inject)",
    r".*\.(tls|clientPolicy)\..*": "TLS has cases of its own",
    r"spec\.virtualGatewayRef\.uid": "for other tools: a gateway that is made anew has its routes back",
}
SCHEMAS: Final[dict[str, JsonObject]] = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for crd in mesh_crds()
}


def leaves(schema: JsonObject, path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Like `spec.routes[].name` (a map's values are `{}`), with the words that are allowed there; none: any."""
    if "properties" in schema:
        for name, part in schema["properties"].items():
            yield from leaves(part, f"{path}.{name}")
    elif "items" in schema:
        yield from leaves(schema["items"], f"{path}[]")
    else:
        yield path + (".{}" if "additionalProperties" in schema else ""), tuple(schema.get("enum", ()))


FIELDS: Final = [
    (kind, path, words)
    for kind, schema in SCHEMAS.items()
    for path, words in leaves(schema["properties"]["spec"], "spec")
    if reason(kind, path) is None and not any(re.fullmatch(pattern, path) for pattern in ELSEWHERE)
]


@cache
def case(name: str) -> tuple[list[JsonObject], MeshModel]:
    items = documents(name)
    return items, compiled(items)


@pytest.mark.parametrize(("kind", "path", "words"), FIELDS, ids=[f"{kind}-{path}" for kind, path, _ in FIELDS])
def test_a_field_makes_a_difference(kind: str, path: str, words: tuple[str, ...]) -> None:
    found = [name for name in NAMES if any(item["kind"] == kind and has(item, path) for item in case(name)[0])]
    assert found, "no golden case has the field"
    assert any(makes_a_difference(name, kind, path, words) for name in found), f"nothing changes in {', '.join(found)}"


def has(item: JsonObject, path: str) -> bool:
    return next(places(item, steps(path)), None) is not None


def makes_a_difference(name: str, kind: str, path: str, words: tuple[str, ...]) -> bool:
    items, expected = case(name)
    for index, item in enumerate(items):
        if item["kind"] != kind:
            continue
        for count in range(sum(1 for _ in places(item, steps(path)))):
            for changed in variants(item, path, count, words):
                try:
                    if compiled([*items[:index], changed, *items[index + 1 :]]) != expected:
                        return True
                except DecodeError:
                    continue
    return False


def variants(item: JsonObject, path: str, count: int, words: tuple[str, ...]) -> Iterator[JsonObject]:
    """With other values at the place that is the `count`th of this path, and without it."""
    old = list(places(item, steps(path)))[count]
    for value in words or others(old[0][old[1]]):
        yield changed_at(item, path, count, value)
    without = copy.deepcopy(item)
    holder, key = list(places(without, steps(path)))[count]
    del holder[key]
    yield without


def changed_at(item: JsonObject, path: str, count: int, value: object) -> JsonObject:
    changed = copy.deepcopy(item)
    holder, key = list(places(changed, steps(path)))[count]
    holder[key] = value
    return changed


def others(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, str):
        yield f"{value}x"


def steps(path: str) -> list[str]:
    return path.replace("[]", ".[]").split(".")


def places(holder: Any, path: list[str]) -> Iterator[tuple[Any, Any]]:
    """The records and lists that hold the values at `path`, with the key of each."""
    step, rest = path[0], path[1:]
    if step in ("[]", "{}"):
        keys: list[Any] = list(range(len(holder))) if isinstance(holder, list) else sorted(holder)
    else:
        keys = [step] if isinstance(holder, dict) and step in holder else []
    for key in keys:
        if rest:
            yield from places(holder[key], rest)
        else:
            yield holder, key


def test_what_is_left_to_others_exists() -> None:
    paths = [path for schema in SCHEMAS.values() for path, _ in leaves(schema["properties"]["spec"], "spec")]
    for pattern in ELSEWHERE:
        assert any(re.fullmatch(pattern, path) for path in paths), pattern
