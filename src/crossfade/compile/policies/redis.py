"""Kong's record `redis`, which several plugins have, and the flat fields that it replaced (kong.md §5.2.1)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from crossfade.compile.policies.checks import host, server_name
from crossfade.compile.policies.schema import ENTITY, Field, Problems
from crossfade_kube.meta import JsonObject

_FIELDS: Final[dict[str, Field]] = {
    "host": Field("string", check=host),
    "port": Field("integer", default=6379, between=(0, 65535)),
    "username": Field("string", referenceable=True),
    "password": Field("string", len_min=0, referenceable=True),
    "database": Field("integer", default=0, between=(-(2**31), 2**31 - 1)),
    "timeout": Field("integer", default=2000, between=(0, 2147483646)),
    "ssl": Field("boolean", default=False),
    "ssl_verify": Field("boolean", default=False),
    "server_name": Field("string", check=server_name),
}
REDIS: Final = Field("record", fields=_FIELDS)
POLICY: Final = Field("string", default="local", one_of=("local", "cluster", "redis"))
# Kong 2's flat names, which Kong 3 still takes.
_SHORTHANDS: Final = {f"redis_{name}": name for name in _FIELDS}


def store_is_named(config: JsonObject) -> Problems:
    """Port and timeout have defaults; a host has none."""
    if config["policy"] != "redis" or (config["redis"] or {}).get("host") is not None:
        return {}
    text = "failed conditional validation given value of field 'config.policy'"
    return {ENTITY: [text], "redis": {"host": "required field missing"}}


def without_shorthands(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the flat fields in their record."""
    flat = {name: value for name, value in config.items() if name in _SHORTHANDS}
    if not flat:
        return config
    redis = {_SHORTHANDS[name]: value for name, value in flat.items()}
    given = config.get("redis")
    rest = {name: value for name, value in config.items() if name not in flat}
    return {**rest, "redis": {**redis, **given} if isinstance(given, dict) else redis}


def shorthand_warnings(plugin: str) -> Callable[[Mapping[str, Any]], tuple[str, ...]]:
    """Kong's own words for each flat field that a configuration has."""

    def warnings(config: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(
            f"{plugin}: config.{name} is deprecated, please use config.redis.{replacement} instead"
            for name, replacement in _SHORTHANDS.items()
            if name in config
        )

    return warnings


def counted_where(config: JsonObject) -> JsonObject:
    """The configuration for the module. `cluster` counts in this gateway's memory, as nothing is shared without a
    database (kong.md C4)."""
    if config["policy"] == "redis":
        return config
    kept = {name: value for name, value in config.items() if name not in ("redis", "sync_rate")}
    return {**kept, "policy": "local"}


def cluster_warnings(config: JsonObject) -> tuple[str, ...]:
    if config["policy"] == "cluster":
        return ("config.policy: cluster needs Kong's database; requests are counted in each gateway's memory (local)",)
    return ()
