"""The supported plugins, and the verdict on one plugin object: its configuration, or why it is refused."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from crossfade.compile.policies.definition import PluginDefinition
from crossfade.compile.policies.key_auth.plan import KEY_AUTH
from crossfade.compile.policies.rate_limiting.plan import RATE_LIMITING
from crossfade.compile.policies.schema import Outcome, violation_text
from crossfade_kube.meta import JsonObject

PLUGINS: Final[dict[str, PluginDefinition]] = {plugin.name: plugin for plugin in (KEY_AUTH, RATE_LIMITING)}
HTTP_PROTOCOLS: Final = ("grpc", "grpcs", "http", "https")


class Accepted(Struct, frozen=True):
    """`config` is what the policy module gets."""

    definition: PluginDefinition
    config: JsonObject
    warnings: tuple[str, ...] = ()


class Refused(Struct, frozen=True):
    """`reason` reads as Kong's own refusal and may say all; `field` is a JSON path in the plugin object."""

    reason: str
    hint: str
    field: str
    is_schema_violation: bool


def judge_plugin(name: str, config: Mapping[str, Any], protocols: Iterable[str] = ()) -> Accepted | Refused:
    """Decides on a plugin by its name and configuration, wherever it is attached."""
    definition = PLUGINS.get(name)
    if definition is None:
        return Refused(
            f"plugin '{name}' not enabled; add it to the 'plugins' configuration property",
            f"this gateway supports the plugins {', '.join(sorted(PLUGINS))}",
            "plugin",
            is_schema_violation=False,
        )
    outcome = definition.validate(config)
    problems = {"config": outcome.problems} if outcome.problems else {}
    foreign = {
        str(index): f"expected one of: {', '.join(HTTP_PROTOCOLS)}"
        for index, protocol in enumerate(protocols, 1)
        if protocol not in HTTP_PROTOCOLS
    }
    if foreign:
        problems["protocols"] = foreign
    if problems:
        return Refused(
            violation_text(problems),
            _known_fields(name, outcome),
            _first_path(problems),
            is_schema_violation=True,
        )
    return Accepted(definition, definition.module_config(outcome.config), definition.warnings(outcome.config))


def _known_fields(name: str, outcome: Outcome) -> str:
    """What to write in place of a field that the plugin does not have."""
    if "unknown field" not in outcome.problems.values():
        return ""
    return f"the fields of {name} are {', '.join(sorted(outcome.config))}"


def _first_path(problems: Mapping[str, Any]) -> str:
    path = []
    level: Any = problems
    while isinstance(level, dict) and level:
        name = min(level)
        if name == "@entity":
            break
        path.append(name)
        level = level[name]
    return ".".join(path)
