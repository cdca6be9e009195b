"""Schema of statsd's configuration (kong.md §5.21)."""

import re
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

_SERVICE_IDENTIFIERS: Final = ("service_id", "service_name", "service_host", "service_name_or_host")
_WORKSPACE_IDENTIFIERS: Final = ("workspace_id", "workspace_name")
_DEFAULT: Final = [
    metric("request_count", "counter"),
    metric("latency", "timer"),
    metric("request_size", "counter"),
    metric("status_count", "counter"),
    metric("response_size", "counter"),
    metric("unique_users", "set"),
    metric("request_per_user", "counter"),
    metric("upstream_latency", "timer"),
    metric("kong_latency", "timer"),
    metric("status_count_per_user", "counter"),
    metric("status_count_per_workspace", "counter"),
    metric("status_count_per_user_per_route", "counter"),
    metric("shdict_usage", "gauge"),
]
_RANGE: Final = re.compile(r"[0-9]+-[0-9]+")
# A datagram takes no more.
_LARGEST: Final = 65507


def status_range(text: str) -> str | None:
    return None if _RANGE.fullmatch(text) else f"invalid value: {text}"


SCHEMA: Final = Schema(
    {
        "host": Field("string", "localhost", check=host),
        "port": Field("integer", 8125, between=(0, 65535)),
        "prefix": Field("string", "kong"),
        "metrics": metrics(
            _DEFAULT,
            {
                "name": Field("string", required=True, one_of=tuple(sorted(one["name"] for one in _DEFAULT))),
                "stat_type": Field("string", required=True, one_of=STAT_TYPES),
                "sample_rate": Field("number", greater_than=0),
                "consumer_identifier": Field("string", one_of=CONSUMER_IDENTIFIERS),
                "service_identifier": Field("string", one_of=_SERVICE_IDENTIFIERS),
                "workspace_identifier": Field("string", one_of=_WORKSPACE_IDENTIFIERS),
            },
        ),
        "allow_status_codes": Field("array", elements=Field("string", check=status_range)),
        "udp_packet_size": Field("number", 0, between=(0, _LARGEST)),
        "use_tcp": Field("boolean", False),
        "hostname_in_prefix": Field("boolean", False),
        "consumer_identifier_default": Field("string", "custom_id", required=True, one_of=CONSUMER_IDENTIFIERS),
        "service_identifier_default": Field(
            "string", "service_name_or_host", required=True, one_of=_SERVICE_IDENTIFIERS
        ),
        "workspace_identifier_default": Field("string", "workspace_id", required=True, one_of=_WORKSPACE_IDENTIFIERS),
        **OLD_FIELDS,
        "tag_style": Field("string", one_of=("dogstatsd", "influxdb", "librato", "signalfx")),
        "queue": QUEUE,
    },
    checks=(counters_have_a_rate,),
)
