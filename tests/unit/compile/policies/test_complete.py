"""Every plugin has all of its parts, and no part is there without its plugin."""

import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from generate.reference import plugin_fields
from generate.reference.plugin_pages import folder_of
from generate.reference.readme import Readme, read

from crossfade.compile.policies.plugin import EnvoyFilter, ModuleStep, Plugin, Step
from crossfade.compile.policies.registry import PLUGINS
from crossfade.compile.policies.schema import Field, Schema, apply_schema
from crossfade.envoy.filters.order import FILTERS
from crossfade.policy_module.library import plugin_names
from crossfade_kube import yaml_texts
from tests.compat.test_kong_truth import RECORDINGS, recorded_file

ROOT: Final = Path(__file__).resolve().parents[4]
POLICIES: Final = ROOT / "src" / "crossfade" / "compile" / "policies"
GOLDEN: Final = ROOT / "tests" / "translation" / "cases" / "gateway"
PAGES: Final = ROOT / "docs" / "reference" / "plugins"
# What no recording of Kong shows: the test that compares with something else.
COMPARED_IN: Final = {
    "acme": "tests/e2e/test_gateway_acme.py",
    "aws-lambda": "tests/e2e/test_gateway_aws_lambda.py",
    "datadog": "tests/compat/test_kong_log_statistics.py",
    "file-log": "tests/compat/test_kong_log_records.py",
    "grpc-gateway": "tests/e2e/test_gateway_grpc_gateway.py",
    "grpc-web": "tests/e2e/test_gateway_grpc_web.py",
    "http-log": "tests/e2e/test_gateway_log_sinks.py",
    "ldap-auth": "tests/e2e/test_gateway_ldap_auth.py",
    "loggly": "tests/e2e/test_gateway_log_sinks.py",
    "mtls-auth": "tests/e2e/test_gateway_mtls_auth.py",
    "openid-connect": "tests/e2e/test_gateway_openid_connect.py",
    "opentelemetry": "tests/compat/test_kong_traces.py",
    "post-function": "tests/e2e/test_gateway_functions.py",
    "prometheus": "tests/compat/test_kong_metrics.py",
    "standard-webhooks": "tests/e2e/policy_module/test_standard_webhooks.py",
    "statsd": "tests/compat/test_kong_log_statistics.py",
    "syslog": "tests/e2e/test_gateway_log_sinks.py",
    "tcp-log": "tests/e2e/test_gateway_log_sinks.py",
    "udp-log": "tests/e2e/test_gateway_log_sinks.py",
    "zipkin": "tests/compat/test_kong_traces.py",
}


def missing_parts(plugin: Plugin) -> Iterator[str]:
    """In words that say where the part belongs."""
    folder = folder_of(plugin)
    if not has(folder, "schema", "SCHEMA", plugin.schema):
        yield f"{folder.name}/schema.py with the plugin's SCHEMA"
    if not has(folder, "plan", "PLUGIN", plugin):
        yield f"{folder.name}/plan.py with PLUGIN"
    readme = folder / "README.md"
    if readme.is_file():
        yield from untold(plugin, read(readme.read_text()))
    else:
        yield f"{folder.name}/README.md"
    yield from unknown_steps(plugin, plugin.plan(apply_schema(plugin.schema, {}).config))
    if plugin.name not in plugins_in(GOLDEN / plugin.name / "in.yaml"):
        yield f"tests/translation/cases/gateway/{plugin.name}"
    if plugin.name not in recorded() and not (ROOT / COMPARED_IN.get(plugin.name, "-")).is_file():
        yield "a recording in tests/compat/test_kong_truth.py, or a test that COMPARED_IN names"
    if not (PAGES / f"{plugin.name}.md").is_file():
        yield f"docs/reference/plugins/{plugin.name}.md: run `make docs`"


def has(folder: Path, module: str, name: str, value: object) -> bool:
    """Whether the module of the plugin's folder defines the name as this value."""
    if not (folder / f"{module}.py").is_file():
        return False
    found = importlib.import_module(f"crossfade.compile.policies.{folder.name}.{module}")
    return getattr(found, name, None) is value


def untold(plugin: Plugin, readme: Readme) -> Iterator[str]:
    if readme.title != plugin.name:
        yield f"the title {plugin.name} of the README"
    if not readme.lead:
        yield "a paragraph of the README that says what the plugin does"
    for row in plugin_fields.rows(plugin.schema.fields):
        if not readme.covers(row.path):
            yield f"a sentence on {row.path} below Fields of the README"


def unknown_steps(plugin: Plugin, steps: tuple[Step, ...]) -> Iterator[str]:
    if not steps:
        yield "a step of the plan"
    for step in steps:
        if isinstance(step, ModuleStep) and plugin.name not in plugin_names():
            yield f"a parser in the policy module: filters/src/plugins/{folder_of(plugin).name}"
        if isinstance(step, EnvoyFilter) and step.name not in {one.name for one in FILTERS}:
            yield f"the filter {step.name} in envoy/filters/order.py"


@cache
def recorded() -> frozenset[str]:
    return frozenset(plugin for name in RECORDINGS for plugin in names_in(recorded_file(name)["manifests"]))


def plugins_in(manifests: Path) -> set[str]:
    return names_in(manifests.read_text()) if manifests.is_file() else set()


def names_in(manifests: str) -> set[str]:
    kinds = ("KongPlugin", "KongClusterPlugin")
    items = [item for item in yaml_texts.load_all(manifests) if item]
    return {item["plugin"] for item in items if item["kind"] in kinds}


@pytest.mark.parametrize("name", sorted(PLUGINS))
def test_nothing_of_a_plugin_is_missing(name: str) -> None:
    assert list(missing_parts(PLUGINS[name])) == []


def test_every_folder_is_in_the_registry() -> None:
    folders = {path.parent.name.replace("_", "-") for path in POLICIES.glob("*/__init__.py")}
    assert folders == PLUGINS.keys()


def test_every_plugin_of_the_module_has_a_folder_that_asks_for_it() -> None:
    asking = {
        name
        for name, plugin in PLUGINS.items()
        for step in plugin.plan(apply_schema(plugin.schema, {}).config)
        if isinstance(step, ModuleStep)
    }
    assert plugin_names() - asking == set()


def test_no_comparison_is_listed_beside_a_recording() -> None:
    assert COMPARED_IN.keys() <= PLUGINS.keys() - recorded()


def test_what_is_missing_is_named() -> None:
    def plan(config: object) -> tuple[Step, ...]:
        del config
        return (ModuleStep({}), EnvoyFilter("moonlight"))

    moon = Plugin("full-moon", 1, takes_consumer=False, schema=Schema({"phase": Field("string")}), plan=plan)
    assert list(missing_parts(moon)) == [
        "full_moon/schema.py with the plugin's SCHEMA",
        "full_moon/plan.py with PLUGIN",
        "full_moon/README.md",
        "a parser in the policy module: filters/src/plugins/full_moon",
        "the filter moonlight in envoy/filters/order.py",
        "tests/translation/cases/gateway/full-moon",
        "a recording in tests/compat/test_kong_truth.py, or a test that COMPARED_IN names",
        "docs/reference/plugins/full-moon.md: run `make docs`",
    ]
    assert list(untold(moon, read("# moon\n"))) == [
        "the title full-moon of the README",
        "a paragraph of the README that says what the plugin does",
        "a sentence on phase below Fields of the README",
    ]
