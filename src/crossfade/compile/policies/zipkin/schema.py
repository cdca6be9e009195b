"""Schema of zipkin's configuration (kong.md §5.20)."""

from typing import Final

from crossfade.compile.policies.checks import any_header_name, free_header_name, url
from crossfade.compile.policies.propagation import FORMATS, HEADER_TYPES, propagation_field
from crossfade.compile.policies.queueing import QUEUE
from crossfade.compile.policies.schema import Field, Problems, Schema
from crossfade_kube.meta import JsonObject

_LONGEST_MS: Final = 2_147_483_646
# What the plugin itself says of each request.
_OWN_TAGS: Final = (
    "error",
    "http.method",
    "http.path",
    "http.status_code",
    "kong.balancer.state",
    "kong.balancer.try",
    "kong.consumer",
    "kong.credential",
    "kong.node.id",
    "kong.route",
    "kong.service",
    "lc",
    "peer.hostname",
)


def trace_size(count: int) -> str | None:
    return None if count in (8, 16) else "expected one of: 8, 16"


def free_tag(name: str) -> str | None:
    return f"must not be one of: {', '.join(_OWN_TAGS)}" if name in _OWN_TAGS else None


def _tags_once(config: JsonObject) -> Problems:
    names = [tag["name"] for tag in config["static_tags"] or ()]
    repeated = next((name for place, name in enumerate(names) if name in names[:place]), None)
    return {} if repeated is None else {"static_tags": f"repeated tags are not allowed: {repeated}"}


def _timeout(default: int) -> Field:
    return Field("integer", default, between=(0, _LONGEST_MS))


SCHEMA: Final = Schema(
    {
        "local_service_name": Field("string", "kong", required=True),
        "http_endpoint": Field("string", check=url),
        "sample_ratio": Field("number", 0.001, between=(0, 1)),
        "default_service_name": Field("string"),
        "include_credential": Field("boolean", default=True, required=True),
        "traceid_byte_count": Field("integer", 16, required=True, check=trace_size),
        "header_type": Field("string", "preserve", required=True, one_of=HEADER_TYPES),
        "default_header_type": Field("string", "b3", required=True, one_of=FORMATS),
        "tags_header": Field("string", "Zipkin-Tags", required=True, check=any_header_name),
        "static_tags": Field(
            "array",
            elements=Field(
                "record",
                fields={
                    "name": Field("string", required=True, check=free_tag),
                    "value": Field("string", required=True),
                },
            ),
        ),
        "http_span_name": Field("string", "method", required=True, one_of=("method", "method_path")),
        "connect_timeout": _timeout(2000),
        "send_timeout": _timeout(5000),
        "read_timeout": _timeout(5000),
        "http_response_header_for_traceid": Field("string", check=free_header_name),
        "phase_duration_flavor": Field("string", "annotations", required=True, one_of=("annotations", "tags")),
        "queue": QUEUE,
        "propagation": propagation_field("b3"),
    },
    checks=(_tags_once,),
)
