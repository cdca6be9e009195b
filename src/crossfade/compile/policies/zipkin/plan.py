"""zipkin for the policy module: its configuration, with the formats of headers that it reads and writes."""

from typing import Final

from crossfade.compile.policies.plugin import ALL_PROTOCOLS, Plugin, Step
from crossfade.compile.policies.propagation import old_fields, traced
from crossfade.compile.policies.zipkin.schema import SCHEMA
from crossfade_kube.meta import JsonObject

_OLD: Final = {"header_type": "preserve", "default_header_type": "b3"}


def plan(config: JsonObject) -> tuple[Step, ...]:
    return traced(config, without=_OLD)


def warnings(config: JsonObject) -> tuple[str, ...]:
    nowhere = ("config.http_endpoint is not set, so headers of traces are read and written, but no spans are sent",)
    return (*old_fields("zipkin", _OLD, config), *(() if config["http_endpoint"] else nowhere))


PLUGIN: Final = Plugin(
    name="zipkin",
    priority=100_000,
    takes_consumer=False,
    schema=SCHEMA,
    plan=plan,
    warnings=warnings,
    protocols=ALL_PROTOCOLS,
)
