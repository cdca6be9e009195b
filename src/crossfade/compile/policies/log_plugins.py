"""What plugins that log are to the compiler: they differ in name, priority and schema, and in whether they queue."""

from crossfade.compile.policies.plugin import ALL_PROTOCOLS, Plugin
from crossfade.compile.policies.queueing import old_queue_warnings, with_queue
from crossfade.compile.policies.schema import Schema


def log_plugin(name: str, priority: int, schema: Schema) -> Plugin:
    """For the policy module, with its configuration as it stands."""
    return Plugin(
        name=name, priority=priority, takes_consumer=True, schema=schema, protocols=ALL_PROTOCOLS, writes_records=True
    )


def queueing_log_plugin(name: str, priority: int, schema: Schema) -> Plugin:
    """One that also takes Kong 2's fields of a queue."""
    return Plugin(
        name=name,
        priority=priority,
        takes_consumer=True,
        schema=schema,
        modernised=with_queue,
        deprecations=old_queue_warnings(name),
        protocols=ALL_PROTOCOLS,
        writes_records=True,
    )
