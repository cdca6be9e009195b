"""acl for the policy module: its lists. Consumers' groups are in the gateway's table of consumers."""

from typing import Final

from crossfade.compile.policies.acl.schema import SCHEMA, with_new_names
from crossfade.compile.policies.plugin import ModuleStep, Plugin, Step
from crossfade_kube.meta import JsonObject


def plan(config: JsonObject) -> tuple[Step, ...]:
    """No plugin here gives groups to a request by itself, so those of the consumer always count."""
    return (ModuleStep({name: value for name, value in config.items() if name != "always_use_authenticated_groups"}),)


PLUGIN: Final = Plugin(
    name="acl",
    priority=950,
    takes_consumer=False,
    schema=SCHEMA,
    plan=plan,
    modernised=with_new_names,
)
