"""rate-limiting for the policy module."""

from typing import Final

from crossfade.compile.policies.plugin import ModuleStep, Plugin, Step
from crossfade.compile.policies.rate_limiting.schema import SCHEMA, without_shorthands
from crossfade_kube.meta import JsonObject


def plan(config: JsonObject) -> tuple[Step, ...]:
    """`cluster` counts in this gateway's memory, as nothing is shared without a database (kong.md C4)."""
    kept = {name: value for name, value in config.items() if name not in ("redis", "sync_rate")}
    return (ModuleStep({**kept, "policy": "local"}),)


def warnings(config: JsonObject) -> tuple[str, ...]:
    if config["policy"] == "cluster":
        return ("config.policy: cluster needs Kong's database; requests are counted in each gateway's memory (local)",)
    return ()


PLUGIN: Final = Plugin(
    name="rate-limiting",
    priority=910,
    takes_consumer=True,
    schema=SCHEMA,
    plan=plan,
    modernised=without_shorthands,
    warnings=warnings,
)
