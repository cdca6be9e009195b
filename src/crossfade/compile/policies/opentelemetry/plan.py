"""opentelemetry for the policy module: its configuration, with what older fields stand for."""

from collections.abc import Mapping
from typing import Any, Final

from crossfade.compile.policies.opentelemetry.schema import OLD_QUEUE, SCHEMA
from crossfade.compile.policies.plugin import Plugin, Step
from crossfade.compile.policies.propagation import old_fields, traced
from crossfade_kube.meta import JsonObject

# `tracing_sampling_rate` of Kong's own settings.
_SAMPLING_RATE: Final = 0.01
_OLD: Final = {"header_type": "preserve"}


def _modernised(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """`endpoint`, and numbers of the queue that stood beside it."""
    found = {name: value for name, value in config.items() if name != "endpoint"}
    if config.get("endpoint") is not None:
        found.setdefault("traces_endpoint", config["endpoint"])
    given = {new: config[old] for old, (new, silent) in OLD_QUEUE.items() if config.get(old) not in (None, silent)}
    queue = config.get("queue")
    if given and isinstance(queue, dict | None):
        found["queue"] = {**({"max_batch_size": 200} if queue is None else queue), **given}
    return found


def _deprecations(config: Mapping[str, Any]) -> tuple[str, ...]:
    old = (
        f"opentelemetry: config.{name} is deprecated, please use config.queue.{new} instead"
        for name, (new, _) in OLD_QUEUE.items()
        if config.get(name) is not None
    )
    endpoint = ("OpenTelemetry: config.endpoint is deprecated, please use config.traces_endpoint instead",)
    return (*old, *(endpoint if config.get("endpoint") is not None else ()))


def plan(config: JsonObject) -> tuple[Step, ...]:
    rate = _SAMPLING_RATE if config["sampling_rate"] is None else config["sampling_rate"]
    return traced({**config, "sampling_rate": rate}, without={*_OLD, *OLD_QUEUE, "logs_endpoint"})


def warnings(config: JsonObject) -> tuple[str, ...]:
    return old_fields("opentelemetry", _OLD, config)


PLUGIN: Final = Plugin(
    name="opentelemetry",
    priority=14,
    takes_consumer=True,
    schema=SCHEMA,
    plan=plan,
    modernised=_modernised,
    deprecations=_deprecations,
    warnings=warnings,
)
