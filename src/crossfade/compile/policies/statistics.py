"""What the schemas of statsd and datadog have in common (kong.md §5.21)."""

from typing import Any, Final

from crossfade.compile.policies.schema import ENTITY, Field, Problems
from crossfade_kube.meta import JsonObject

CONSUMER_IDENTIFIERS: Final = ("consumer_id", "custom_id", "username")
STAT_TYPES: Final = ("counter", "gauge", "histogram", "meter", "set", "timer")
_SAMPLED: Final = ("counter", "gauge")


def metric(name: str, stat_type: str, **more: Any) -> JsonObject:
    """One of the default ones; what is counted is never sampled there."""
    rate = {"sample_rate": 1} if stat_type in _SAMPLED else {}
    return {"name": name, "stat_type": stat_type, **rate, **more}


def counters_have_a_rate(config: JsonObject) -> Problems:
    """In Kong's words, by the place of the metric."""
    missing = {
        str(place): {
            ENTITY: ["failed conditional validation given value of field 'stat_type'"],
            "sample_rate": "required field missing",
        }
        for place, one in enumerate(config["metrics"] or (), 1)
        if one["stat_type"] in _SAMPLED and one["sample_rate"] is None
    }
    return {"metrics": missing} if missing else {}


def metrics(default: list[JsonObject], fields: dict[str, Field]) -> Field:
    return Field("array", default, required=True, elements=Field("record", fields=fields))
