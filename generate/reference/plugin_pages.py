"""One page for each plugin, and the list of all in their order."""

from pathlib import Path
from typing import Final

from crossfade.api.kong.credentials import CREDENTIAL_KINDS
from crossfade.compile import policies
from crossfade.compile.policies.plugin import EnvoyFilter, Errand, ModuleStep, Plugin, Step
from crossfade.compile.policies.registry import ORDER, PLUGINS
from crossfade.compile.policies.schema import apply_schema
from generate.reference import plugin_fields
from generate.reference.markdown import code, page, table
from generate.reference.readme import Readme, read

_FOLDER: Final = Path(policies.__file__).parent
_INDEX_LEAD: Final = (
    "Plugins of Kong's that this gateway runs, in the order in which they see a request. A plugin is configured by a"
    " KongPlugin, or by a KongClusterPlugin for all namespaces. The annotation `konghq.com/plugins` of an Ingress, a"
    ' Service or a KongConsumer says where it applies, the label `global: "true"` of a KongClusterPlugin that it'
    " applies everywhere. A plugin or a field that is not supported is refused; the routes that ask for it answer 503."
    " What each costs stands in [one table](../../plugin-costs.md)."
)
_FIELDS_LEAD: Final = (
    "Fields that are required or have a default cannot be unset; texts cannot be empty unless that is said."
)


def readme_of(plugin: Plugin) -> Readme:
    return read(folder_of(plugin).joinpath("README.md").read_text(encoding="utf-8"))


def folder_of(plugin: Plugin) -> Path:
    return _FOLDER / plugin.name.replace("-", "_")


def plugin_page(plugin: Plugin) -> str:
    readme = readme_of(plugin)
    return page(
        f"# {plugin.name}",
        readme.lead,
        table(("", ""), _facts(plugin)),
        "## Fields",
        readme.before_fields,
        _field_table(plugin, readme),
        readme.after_fields,
        *(f"## {name}\n\n{text}" for name, text in readme.sections),
    )


def index_page() -> str:
    rows = [
        (
            str(place),
            f"[{plugin.name}]({plugin.name}.md)",
            str(plugin.priority),
            ", ".join(_places(_steps(plugin))),
            readme_of(plugin).lead.split("\n\n")[0],
        )
        for place, plugin in enumerate(in_order(), 1)
    ]
    return page(
        "# Plugins",
        _INDEX_LEAD,
        table(("", "plugin", "priority", "runs in", "what it does"), rows),
        "The higher the priority, the earlier; the numbers are Kong's.",
        _FIELDS_LEAD,
    )


def in_order() -> list[Plugin]:
    return [PLUGINS[name] for name in sorted(PLUGINS, key=ORDER.__getitem__)]


def _facts(plugin: Plugin) -> list[tuple[str, str]]:
    ways = "an Ingress, a Service, all requests"
    facts = [
        ("priority", f"{plugin.priority}: place {in_order().index(plugin) + 1} of {len(PLUGINS)} ([all](README.md))"),
        ("runs in", ", ".join(_places(_steps(plugin)))),
        ("can be attached to", f"{ways}, a consumer" if plugin.takes_consumer else ways),
        ("protocols", ", ".join(map(code, plugin.protocols))),
    ]
    kind = CREDENTIAL_KINDS.get(plugin.name)
    if kind is not None:
        keys = ", ".join(map(code, (*kind.required, *kind.optional)))
        facts.append(("Secrets", f"with the label `konghq.com/credential: {plugin.name}` and the keys {keys}"))
    return facts


def _field_table(plugin: Plugin, readme: Readme) -> str:
    rows = [
        (
            code(row.path),
            row.type,
            "yes" if row.is_required else "",
            row.default,
            row.values,
            readme.note(row.path) or "",
        )
        for row in plugin_fields.rows(plugin.schema.fields)
    ]
    return table(("field", "type", "required", "default", "values", "meaning"), rows)


def _steps(plugin: Plugin) -> tuple[Step, ...]:
    """Of a configuration with nothing but defaults, valid or not: where a plugin runs does not depend on it."""
    return plugin.plan(apply_schema(plugin.schema, {}).config)


def _places(steps: tuple[Step, ...]) -> list[str]:
    return [_place(step) for step in steps]


def _place(step: Step) -> str:
    if isinstance(step, ModuleStep):
        return "the policy module"
    if isinstance(step, Errand):
        return "the control plane"
    return f"Envoy's filter `{step.name}`" if isinstance(step, EnvoyFilter) else "Envoy's route"
