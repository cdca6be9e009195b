"""What the policy module is told about a rate-limiting instance."""

from typing import Final

from crossfade.compile.policies.definition import PluginDefinition
from crossfade.compile.policies.rate_limiting.config import validate
from crossfade_kube.meta import JsonObject


def module_config(config: JsonObject) -> JsonObject:
    """`cluster` counts in this gateway's memory, as nothing is shared without a database (kong.md C4)."""
    kept = {name: value for name, value in config.items() if name not in ("redis", "sync_rate")}
    return {**kept, "policy": "local"}


def warnings(config: JsonObject) -> tuple[str, ...]:
    if config["policy"] == "cluster":
        return ("config.policy: cluster needs Kong's database; requests are counted in each gateway's memory (local)",)
    return ()


RATE_LIMITING: Final = PluginDefinition(
    name="rate-limiting",
    priority=910,
    takes_consumer=True,
    validate=validate,
    module_config=module_config,
    warnings=warnings,
)
