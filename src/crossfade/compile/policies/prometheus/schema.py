"""Schema of prometheus' configuration (kong.md §5.20)."""

from typing import Final

from crossfade.compile.policies.schema import Field, Schema
from crossfade_kube.meta import JsonObject

_OFF: Final = Field("boolean", False)
# What they would count never happens here.
_OF_OTHERS: Final = {"ai_metrics": "AI plugins", "wasm_metrics": "WebAssembly filters"}

SCHEMA: Final = Schema(
    {
        "per_consumer": _OFF,
        "status_code_metrics": _OFF,
        "ai_metrics": _OFF,
        "latency_metrics": _OFF,
        "bandwidth_metrics": _OFF,
        "upstream_health_metrics": _OFF,
        "wasm_metrics": _OFF,
    }
)


def without_effect(config: JsonObject) -> tuple[str, ...]:
    """Told of what is switched on in vain."""
    return tuple(
        f"config.{field} has no effect: this gateway has no {what}, so there is nothing to count"
        for field, what in _OF_OTHERS.items()
        if config[field]
    )
