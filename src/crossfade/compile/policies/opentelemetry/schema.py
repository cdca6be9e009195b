"""Schema of opentelemetry's configuration (kong.md §5.20)."""

from typing import Final

from crossfade.compile.policies.checks import free_header_name, header_value, url
from crossfade.compile.policies.presence import at_least_one_of
from crossfade.compile.policies.propagation import HEADER_TYPES, propagation_field
from crossfade.compile.policies.queueing import QUEUE_FIELDS
from crossfade.compile.policies.schema import Field, Problems, Schema
from crossfade_kube.meta import JsonObject

_LONGEST_MS: Final = 2_147_483_646
OLD_QUEUE: Final = {"batch_span_count": ("max_batch_size", 200), "batch_flush_delay": ("max_coalescing_delay", 3)}


def no_logs(value: str) -> str:
    del value
    return "the gateway's own log is not sent by OTLP: collect it from the container; for requests there is http-log"


def _header_names(config: JsonObject) -> Problems:
    problems = (free_header_name(name) for name in config["headers"] or {})
    problem = next((text for text in problems if text is not None), None)
    return {} if problem is None else {"headers": problem}


def _timeout(default: int) -> Field:
    return Field("integer", default, between=(0, _LONGEST_MS))


SCHEMA: Final = Schema(
    {
        "traces_endpoint": Field("string", check=url, referenceable=True),
        "logs_endpoint": Field("string", check=no_logs),
        "headers": Field("map", len_min=0, elements=Field("string", check=header_value, referenceable=True)),
        "resource_attributes": Field("map", len_min=0, elements=Field("string")),
        # Of opentelemetry alone a batch has 200 spans; a record that says anything has the 1 of all plugins.
        "queue": Field("record", default={"max_batch_size": 200}, fields=QUEUE_FIELDS),
        **{name: Field("integer") for name in OLD_QUEUE},
        "connect_timeout": _timeout(1000),
        "send_timeout": _timeout(5000),
        "read_timeout": _timeout(5000),
        "http_response_header_for_traceid": Field("string", check=free_header_name),
        "header_type": Field("string", "preserve", one_of=HEADER_TYPES),
        "sampling_rate": Field("number", between=(0, 1)),
        "propagation": propagation_field("w3c"),
    },
    checks=(_header_names,),
    presence_checks=(at_least_one_of("traces_endpoint", "logs_endpoint"),),
)
