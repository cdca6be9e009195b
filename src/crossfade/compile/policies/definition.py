"""What the compiler knows about a plugin that it supports."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from crossfade.compile.policies.schema import Outcome
from crossfade_kube.meta import JsonObject

Validate: TypeAlias = Callable[[Mapping[str, Any]], Outcome]
ModuleConfig: TypeAlias = Callable[[JsonObject], JsonObject]
Warnings: TypeAlias = Callable[[JsonObject], tuple[str, ...]]


def _no_warnings(config: JsonObject) -> tuple[str, ...]:
    del config
    return ()


class PluginDefinition(Struct, frozen=True):
    """`priority` is Kong's order, higher runs first; `takes_consumer` says whether a consumer may carry it."""

    name: str
    priority: int
    takes_consumer: bool
    validate: Validate
    module_config: ModuleConfig
    warnings: Warnings = _no_warnings
