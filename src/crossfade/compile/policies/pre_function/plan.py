"""pre-function for the policy module: its functions as they stand."""

from typing import Final

from crossfade.compile.policies.plugin import ModuleStep, Plugin
from crossfade.compile.policies.pre_function.schema import SCHEMA
from crossfade_kube.meta import JsonObject


def plan(config: JsonObject) -> tuple[ModuleStep]:
    phases = ("access", "header_filter", "body_filter", "log")
    return (ModuleStep({phase: config[phase] for phase in phases if config[phase]}),)


PLUGIN: Final = Plugin(name="pre-function", priority=1_000_000, takes_consumer=False, schema=SCHEMA, plan=plan)
