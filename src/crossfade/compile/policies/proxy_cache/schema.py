"""Schema of proxy-cache's configuration (kong.md §5.19)."""

from typing import Final

from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

# Of Kong's own template for nginx, and of its plugins; others are written into that template by hand.
DICTIONARIES: Final = (
    "kong",
    "kong_locks",
    "kong_healthchecks",
    "kong_cluster_events",
    "kong_rate_limiting_counters",
    "kong_core_db_cache",
    "kong_core_db_cache_miss",
    "kong_db_cache",
    "kong_db_cache_miss",
    "kong_secrets",
    "prometheus_metrics",
)


def _codes_are_some(config: JsonObject) -> Problems:
    return {} if config["response_code"] else {"response_code": "length must be at least 1"}


def _dictionary_exists(config: JsonObject) -> Problems:
    name = config["memory"]["dictionary_name"]
    return {} if name in DICTIONARIES else {ENTITY: [f"missing shared dict '{name}'"]}


def _time_runs_forward(config: JsonObject) -> Problems:
    """Kong takes such a number, and fails when it has an answer to keep."""
    ttl = config["storage_ttl"]
    return {"storage_ttl": "value must not be negative"} if ttl is not None and ttl < 0 else {}


def _shown() -> Field:
    return Field("boolean", default=True)


SCHEMA: Final = Schema(
    {
        "response_code": Field(
            "array", default=[200, 301, 404], required=True, elements=Field("integer", between=(100, 900))
        ),
        "request_method": Field(
            "array",
            default=["GET", "HEAD"],
            required=True,
            elements=Field("string", one_of=("HEAD", "GET", "POST", "PATCH", "PUT")),
        ),
        "content_type": Field(
            "array", default=["text/plain", "application/json"], required=True, elements=Field("string")
        ),
        "cache_ttl": Field("integer", default=300, greater_than=0),
        "strategy": Field("string", required=True, one_of=("memory",)),
        "cache_control": Field("boolean", default=False, required=True),
        "ignore_uri_case": Field("boolean", default=False),
        "storage_ttl": Field("integer"),
        "memory": Field(
            "record",
            default={},
            fields={"dictionary_name": Field("string", required=True, default="kong_db_cache")},
        ),
        "vary_query_params": Field("array", elements=Field("string")),
        "vary_headers": Field("array", elements=Field("string")),
        "response_headers": Field(
            "record",
            default={},
            fields={"age": _shown(), "X-Cache-Status": _shown(), "X-Cache-Key": _shown()},
        ),
    },
    (_codes_are_some, _dictionary_exists, _time_runs_forward),
)
