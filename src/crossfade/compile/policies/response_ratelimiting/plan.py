"""response-ratelimiting for the policy module."""

from typing import Final

from crossfade.compile.policies.plugin import ModuleStep, Plugin, Step
from crossfade.compile.policies.redis import cluster_warnings, counted_where, shorthand_warnings, without_shorthands
from crossfade.compile.policies.response_ratelimiting.schema import SCHEMA
from crossfade_kube.meta import JsonObject


def plan(config: JsonObject) -> tuple[Step, ...]:
    return (ModuleStep(counted_where(config)),)


PLUGIN: Final = Plugin(
    name="response-ratelimiting",
    priority=900,
    takes_consumer=True,
    schema=SCHEMA,
    plan=plan,
    modernised=without_shorthands,
    deprecations=shorthand_warnings("response-ratelimiting"),
    warnings=cluster_warnings,
)
