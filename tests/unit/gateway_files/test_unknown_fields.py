"""Fields that a kind does not have are told, with what may have been meant; the object counts all the same."""

import pytest

from crossfade.compile.diagnostics import Severity
from crossfade.gateway_files.objects import objects_of
from crossfade.gateway_files.reading import gateway_reading
from crossfade.gateway_files.schemas import Schemas
from crossfade.install.gateway import gateway_crd

READING = gateway_reading(Schemas(gateway_crd))
KONG = "apiVersion: configuration.konghq.com/v1\nmetadata: {name: x}\n"


@pytest.mark.parametrize(
    ("text", "field", "hint"),
    [
        (
            "kind: KongIngress\nspec: {route: {strip_path: true}}",
            "spec",
            "write proxy, route, upstream at the top level",
        ),
        ("kind: KongIngress\nroute: {strip-path: true}", "route.strip-path", "did you mean strip_path?"),
        ("kind: KongIngress\nroutes: {}", "routes", "did you mean route?"),
        ("kind: KongPlugin\nplugin: key-auth\nconfigs: {}", "configs", "did you mean config?"),
        ("kind: KongPlugin\nplugin: key-auth\nspec: {}", "spec", "at the top level"),
        ("kind: KongConsumer\nusername: x\ncustomId: y", "customId", "did you mean custom_id?"),
        ("kind: KongConsumer\nusername: x\nzzz: y", "zzz", "correct its name or remove it"),
    ],
)
def test_a_field_that_is_not_there(text: str, field: str, hint: str) -> None:
    (found,) = objects_of(f"{KONG}{text}\n", READING)
    assert found.item is not None
    (problem,) = found.problems
    assert (problem.field, problem.severity, problem.code) == (field, Severity.WARNING, "field.unknown")
    assert hint in problem.hint


@pytest.mark.parametrize(
    "text",
    [
        "kind: KongPlugin\nplugin: key-auth\nconfig: {key_names: [a]}\nstatus: {conditions: []}",
        "kind: KongConsumer\nusername: x\ncredentials: [a]",
        "kind: KongIngress\nroute: {headers: {x-any: [a]}}",
    ],
)
def test_what_is_there_needs_no_word(text: str) -> None:
    (found,) = objects_of(f"{KONG}{text}\n", READING)
    assert not found.problems
