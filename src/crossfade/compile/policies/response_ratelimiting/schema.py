"""Schema of response-ratelimiting's configuration (kong.md §5.13)."""

from typing import Final

from crossfade.compile.policies.checks import any_header_name
from crossfade.compile.policies.periods import LIMITS, PERIODS, disorder
from crossfade.compile.policies.redis import POLICY, REDIS, store_is_named
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

_NONE: Final = f"at least one of these fields must be non-empty: {', '.join(repr(period) for period in PERIODS)}"


def _limits_are_some(config: JsonObject) -> Problems:
    for limit in config["limits"].values():
        if all(limit[period] is None for period in PERIODS):
            return {"limits": {ENTITY: [_NONE]}}
        problem = disorder(limit)
        if problem is not None:
            return {"limits": f"the {problem}"}
    return {}


def _limits_name_headers(config: JsonObject) -> Problems:
    """Kong takes any name and sends what no header can be called."""
    problems = (any_header_name(name) for name in config["limits"])
    found = next((problem for problem in problems if problem is not None), None)
    return {} if found is None else {"limits": found}


SCHEMA: Final = Schema(
    {
        "limits": Field("map", required=True, elements=Field("record", fields=LIMITS)),
        "header_name": Field("string", default="x-kong-limit", check=any_header_name),
        "limit_by": Field("string", default="consumer", one_of=("consumer", "credential", "ip")),
        "policy": POLICY,
        "fault_tolerant": Field("boolean", default=True, required=True),
        "block_on_first_violation": Field("boolean", default=False, required=True),
        "hide_client_headers": Field("boolean", default=False, required=True),
        "redis": REDIS,
    },
    (_limits_are_some, _limits_name_headers, store_is_named),
)
