"""session for the policy module: all that it needs to make cookies and to read them."""

from typing import Final

from crossfade.compile.policies.plugin import ModuleStep, Plugin, Step
from crossfade.compile.policies.session.schema import SCHEMA, with_new_names
from crossfade_kube.meta import JsonObject

# What only a store on the server would need.
_UNUSED: Final = ("storage", "stale_ttl")


def plan(config: JsonObject) -> tuple[Step, ...]:
    return (ModuleStep({name: value for name, value in config.items() if name not in _UNUSED}),)


def warnings(config: JsonObject) -> tuple[str, ...]:
    if config["secret"] is not None:
        return ()
    return ("without a secret sessions end with each start of Envoy, and no other gateway knows them: set secret",)


PLUGIN: Final = Plugin(
    name="session",
    priority=1900,
    takes_consumer=False,
    schema=SCHEMA,
    plan=plan,
    modernised=with_new_names,
    warnings=warnings,
)
