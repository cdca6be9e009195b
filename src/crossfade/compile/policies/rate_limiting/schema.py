"""Schema of rate-limiting's configuration (kong.md §5.2.1), without the Redis store."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

from crossfade.compile.policies.checks import absolute_path, header_name, reply_status
from crossfade.compile.policies.presence import at_least_one_of
from crossfade.compile.policies.schema import ENTITY, Field, Problems, Schema
from crossfade_kube.meta import JsonObject

PERIODS: Final = ("second", "minute", "hour", "day", "month", "year")
_PORT: Final = Field("integer", default=6379, between=(0, 65535))
_REDIS: Final[dict[str, Field]] = {
    "host": Field("string"),
    "port": _PORT,
    "username": Field("string"),
    "password": Field("string"),
    "database": Field("integer", default=0),
    "timeout": Field("integer", default=2000, between=(0, 2147483646)),
    "ssl": Field("boolean", default=False),
    "ssl_verify": Field("boolean", default=False),
    "server_name": Field("string"),
}
# Kong 2's flat names, which Kong 3 still takes.
_SHORTHANDS: Final = {f"redis_{name}": name for name in _REDIS}


def _longer_is_not_lower(config: JsonObject) -> Problems:
    for shorter, longer in combinations(PERIODS, 2):
        low, high = config[shorter], config[longer]
        if low is not None and high is not None and high < low:
            text = f"The limit for {longer}({high:.1f}) cannot be lower than the limit for {shorter}({low:.1f})"
            return {ENTITY: [text]}
    return {}


def _companion_of_limit_by(config: JsonObject) -> Problems:
    needed = {"header": "header_name", "path": "path"}.get(config["limit_by"])
    if needed is None or config[needed] is not None:
        return {}
    text = "failed conditional validation given value of field 'config.limit_by'"
    return {ENTITY: [text], needed: "required field missing"}


def _sync_rate_needs_redis(config: JsonObject) -> Problems:
    if config["policy"] == "redis" or config["sync_rate"] == -1:
        return {}
    return {ENTITY: ["sync_rate can only be used with the redis policy"]}


def _redis_is_refused(config: JsonObject) -> Problems:
    if config["policy"] != "redis":
        return {}
    return {"policy": "redis is not supported by this gateway; expected one of: local, cluster"}


SCHEMA: Final = Schema(
    {
        **{period: Field("number", greater_than=0) for period in PERIODS},
        "limit_by": Field(
            "string", default="consumer", one_of=("consumer", "credential", "ip", "service", "header", "path")
        ),
        "header_name": Field("string", check=header_name),
        "path": Field("string", check=absolute_path),
        "policy": Field("string", default="local", one_of=("local", "cluster", "redis")),
        "fault_tolerant": Field("boolean", default=True, required=True),
        "hide_client_headers": Field("boolean", default=False, required=True),
        "error_code": Field("number", default=429, greater_than=0, check=reply_status),
        "error_message": Field("string", default="API rate limit exceeded"),
        "sync_rate": Field("number", default=-1, required=True),
        "redis": Field("record", fields=_REDIS),
    },
    (_longer_is_not_lower, _companion_of_limit_by, _sync_rate_needs_redis, _redis_is_refused),
    presence_checks=(at_least_one_of(*PERIODS),),
)


def without_shorthands(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the flat Redis fields of Kong 2 in their record."""
    flat = {name: value for name, value in config.items() if name in _SHORTHANDS}
    if not flat:
        return config
    redis = {_SHORTHANDS[name]: value for name, value in flat.items()}
    given = config.get("redis")
    rest = {name: value for name, value in config.items() if name not in flat}
    return {**rest, "redis": {**redis, **given} if isinstance(given, dict) else redis}
