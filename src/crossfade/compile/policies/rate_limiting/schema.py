"""Schema of rate-limiting's configuration (kong.md §5.2.1)."""

from typing import Final

from crossfade.compile.policies.checks import absolute_path, header_name, reply_status
from crossfade.compile.policies.periods import LIMITS, PERIODS, disorder
from crossfade.compile.policies.presence import at_least_one_of
from crossfade.compile.policies.redis import POLICY, REDIS, store_is_named
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

_REALTIME: Final = -1
_SOONEST: Final = 0.02


def _longer_is_not_lower(config: JsonObject) -> Problems:
    problem = disorder(config)
    return {} if problem is None else {ENTITY: [f"The {problem}"]}


def _companion_of_limit_by(config: JsonObject) -> Problems:
    needed = {"header": "header_name", "path": "path"}.get(config["limit_by"])
    if needed is None or config[needed] is not None:
        return {}
    text = "failed conditional validation given value of field 'config.limit_by'"
    return {ENTITY: [text], needed: "required field missing"}


def _sync_rate_fits(config: JsonObject) -> Problems:
    if config["sync_rate"] == _REALTIME:
        return {}
    if config["policy"] != "redis":
        return {ENTITY: ["sync_rate can only be used with the redis policy"]}
    if config["sync_rate"] < _SOONEST:
        return {ENTITY: ["sync_rate must be greater than 0.02, or -1 to disable"]}
    return {}


SCHEMA: Final = Schema(
    {
        **LIMITS,
        "limit_by": Field(
            "string", default="consumer", one_of=("consumer", "credential", "ip", "service", "header", "path")
        ),
        "header_name": Field("string", check=header_name),
        "path": Field("string", check=absolute_path),
        "policy": POLICY,
        "fault_tolerant": Field("boolean", default=True, required=True),
        "hide_client_headers": Field("boolean", default=False, required=True),
        "error_code": Field("number", default=429, greater_than=0, check=reply_status),
        "error_message": Field("string", default="API rate limit exceeded"),
        "sync_rate": Field("number", default=_REALTIME, required=True),
        "redis": REDIS,
    },
    (_longer_is_not_lower, _companion_of_limit_by, _sync_rate_fits, store_is_named),
    presence_checks=(at_least_one_of(*PERIODS),),
)
