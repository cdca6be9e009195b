"""What an expression may call, as `declarations.txt` lists it: a line for each way to call a function.

The list is what Kubernetes' own libraries declare (`make compat-recordings`).
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from crossfade_local.apiserver.crd.cel_types.types import STRING, Kind, Type, read, split

_LINES: Final = Path(__file__).with_name("declarations.txt")


class Overload(NamedTuple):
    given: tuple[Type, ...]
    """What a member is called on comes first."""
    result: Type
    is_member: bool
    has_parameters: bool


PATCH_FUNCTIONS: Final[Mapping[str, tuple[Overload, ...]]] = {
    "jsonpatch.escapeKey": (Overload((STRING,), STRING, is_member=False, has_parameters=False),)
}
"""What only expressions that make patches may call."""


@lru_cache(maxsize=1)
def functions() -> Mapping[str, tuple[Overload, ...]]:
    found: dict[str, list[Overload]] = {}
    for line in _LINES.read_text().splitlines():
        name, _, signature = line.partition(" ")
        found.setdefault(name, []).append(_read(signature))
    return {name: tuple(overloads) for name, overloads in found.items()}


def _read(signature: str) -> Overload:
    call, _, result = signature.rpartition(" -> ")
    target, _, given = call.rpartition(".(") if ".(" in call else ("", "", call[1:])
    types = [*filter(None, [target]), *split(given.removesuffix(")"))]
    found = tuple(map(read, types))
    return Overload(found, read(result), bool(target), any(map(_has_parameter, (*found, read(result)))))


def _has_parameter(one: Type) -> bool:
    return one.kind is Kind.PARAMETER or any(map(_has_parameter, one.inside))
