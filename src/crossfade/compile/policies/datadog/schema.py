"""Schema of datadog's configuration (kong.md §5.21)."""

from typing import Final

from crossfade.compile.policies.checks import host
from crossfade.compile.policies.queueing import OLD_FIELDS, QUEUE
from crossfade.compile.policies.schema import Field, Schema
from crossfade.compile.policies.statistics import (
    CONSUMER_IDENTIFIERS,
    STAT_TYPES,
    counters_have_a_rate,
    metric,
    metrics,
)

_NAMES: Final = ("kong_latency", "latency", "request_count", "request_size", "response_size", "upstream_latency")
_DEFAULT: Final = [
    metric(name, "counter" if name == "request_count" else "timer", tags=["app:kong"], consumer_identifier="custom_id")
    for name in ("request_count", "latency", "request_size", "response_size", "upstream_latency", "kong_latency")
]


def tag(text: str) -> str | None:
    return f"invalid value: {text}" if text.endswith(":") else None


SCHEMA: Final = Schema(
    {
        "host": Field("string", "localhost", check=host, referenceable=True),
        "port": Field("integer", 8125, between=(0, 65535)),
        "prefix": Field("string", "kong"),
        "service_name_tag": Field("string", "name"),
        "status_tag": Field("string", "status"),
        "consumer_tag": Field("string", "consumer"),
        **OLD_FIELDS,
        "queue": QUEUE,
        "metrics": metrics(
            _DEFAULT,
            {
                "name": Field("string", required=True, one_of=_NAMES),
                "stat_type": Field("string", required=True, one_of=(*STAT_TYPES, "distribution")),
                "tags": Field("array", elements=Field("string", check=tag)),
                "sample_rate": Field("number", between=(0, 1)),
                "consumer_identifier": Field("string", one_of=CONSUMER_IDENTIFIERS),
            },
        ),
    },
    checks=(counters_have_a_rate,),
)
