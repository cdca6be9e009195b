"""proxy-cache for the policy module."""

from typing import Final

from crossfade.compile.policies.plugin import ModuleStep, Plugin, Step
from crossfade.compile.policies.proxy_cache.schema import SCHEMA
from crossfade_kube.meta import JsonObject


def plan(config: JsonObject) -> tuple[Step, ...]:
    """The module has one strategy."""
    return (ModuleStep({name: value for name, value in config.items() if name != "strategy" and value is not None}),)


PLUGIN: Final = Plugin(name="proxy-cache", priority=100, takes_consumer=True, schema=SCHEMA, plan=plan)
