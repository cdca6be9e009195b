"""Objects, and each of them with one field changed: taken away, of another type, empty, too long, too large."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

Json = dict[str, Any]
Path_ = tuple[str | int, ...]

LONG: Final = "x" * 300
_SCALARS: Final = ("", LONG, "A_b!", "1.5", -1, 0, 99999999999, True, None, {})
_COLLECTIONS: Final = (None, {}, [], "")
_UNKNOWN: Final = "zzUnknown"


class Case(NamedTuple):
    """`name` says what is changed, below the name of the object."""

    name: str
    path: str
    object: Json


def cases() -> Iterator[Case]:
    """Each of the objects, as it is and changed."""
    for number, one in enumerate(yaml.safe_load((Path(__file__).parent / "objects.yaml").read_text())):
        whole = one["object"]
        title = f"{number} {whole['kind']}"
        yield Case(title, one["path"], whole)
        for change, changed in _changed(whole):
            yield Case(f"{title}: {change}", one["path"], changed)


def _changed(whole: Json) -> Iterator[tuple[str, Json]]:
    for path, value in _places(whole):
        name = ".".join(map(str, path))
        yield f"{name} removed", _with(whole, path, lambda holder, key: holder.pop(key))
        for other in _others(value):
            shown = json.dumps(other).replace(LONG, "<long>")
            yield f"{name} = {shown}", _with(whole, path, _assigning(other))
        if isinstance(value, list) and value:
            yield f"{name} doubled", _with(whole, path, _assigning([*value, copy.deepcopy(value[0])]))
        if isinstance(value, dict):
            yield f"{name} with an unknown field", _with(whole, path, _assigning({**value, _UNKNOWN: 1}))


def _places(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Without the object itself, and without what says which it is."""
    if path and path not in (("apiVersion",), ("kind",)):
        yield path, value
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from _places(one, (*path, key))


def _others(value: Any) -> Iterator[Any]:
    """Values of the same type, nothing, and one of another type: what is said of that is the same for all."""
    if isinstance(value, dict | list):
        yield from (other for other in _COLLECTIONS if type(other) is not type(value) or other != value)
        return
    for other in _SCALARS:
        if (type(other) is type(value) and other != value) or other in (None, {}):
            yield other


def _assigning(value: Any) -> Any:
    def assign(holder: Any, key: Any) -> None:
        holder[key] = value

    return assign


def _with(whole: Json, path: Path_, change: Any) -> Json:
    changed = copy.deepcopy(whole)
    holder: Any = changed
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return changed
