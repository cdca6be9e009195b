"""Rules of custom resources are refused where Kubernetes refuses them, with the same words: `rules.jsonl` was recorded.

That is what k8s.io/apiextensions-apiserver of Kubernetes 1.36 says of definitions, without the time in the name of the
type of `self`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.apiserver.crd.cel_types.costs import most
from crossfade_local.apiserver.crd.cel_types.schemas import Declarations
from crossfade_local.apiserver.crd.cel_types.types import optional_of
from crossfade_local.apiserver.crd.compilation import checked
from crossfade_local.apiserver.crd.definition_rules import definition_errors
from crossfade_local.apiserver.crd.rules import Rules
from crossfade_local.apiserver.validation.crds import validate_crd

Json = dict[str, Any]
LINES = [json.loads(line) for line in (Path(__file__).parent / "rules.jsonl").read_text().splitlines()]
SCHEMAS = {line["name"]: line["schema"] for line in LINES if "name" in line}
RECORDED = [line for line in LINES if "name" not in line]


def schema_of(recorded: Json) -> Json:
    if "schema" in recorded:
        return recorded["schema"]
    spec = {**SCHEMAS[recorded["self"]], "x-kubernetes-validations": [recorded["rule"]]}
    return {"type": "object", "properties": {"spec": spec}}


def definition(schema: Json) -> Json:
    return {"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}}


def called(recorded: Json) -> str:
    return recorded.get("rule", {}).get("rule", "of a whole schema")


@pytest.mark.parametrize("recorded", RECORDED, ids=map(called, RECORDED))
async def test_rule(recorded: Json) -> None:
    crd = definition(schema_of(recorded))
    stated = [error for error in validate_crd(crd) if error.field.startswith("spec.validation")]
    found = await definition_errors(Rules(), crd, found=stated, size=0)
    assert sorted(map(str, found)) == recorded["errors"]


COUNTED = [line for line in RECORDED if "cost" in line]


@pytest.mark.parametrize("recorded", COUNTED, ids=map(called, COUNTED))
def test_rule_costs_at_most(recorded: Json) -> None:
    own = Declarations().of(SCHEMAS[recorded["self"]])
    assert own
    kind = own.named("selfType")
    before = optional_of(kind) if recorded["rule"].get("optionalOldSelf") else kind
    expression = checked(recorded["rule"]["rule"], {"self": kind, "oldSelf": before})
    assert most(expression, own) == int(recorded["cost"])


async def test_a_schema_that_is_stored_keeps_a_rule_that_costs_too_much() -> None:
    text = {"type": "string", "maxLength": 12_500, "x-kubernetes-validations": [{"rule": "self.contains(self)"}]}
    old = definition({"type": "object", "properties": {"spec": text}})
    (error,) = await definition_errors(Rules(), old, definition({"type": "object"}), found=[], size=0)
    assert "estimated rule cost exceeds budget" in error.detail
    assert not await definition_errors(Rules(), old, old, found=[], size=0)


async def test_a_process_says_the_same_of_many_rules() -> None:
    long = [line for line in RECORDED if line.get("self") == "object" and len(line["errors"]) < 2][:300]
    rules = Rules()
    try:
        spec = {**SCHEMAS["object"], "x-kubernetes-validations": [line["rule"] for line in long]}
        crd = definition({"type": "object", "properties": {"spec": spec}})
        found = await definition_errors(rules, crd, found=[], size=0)
    finally:
        await rules.close()
    said = [error.partition(": ")[2] for line in long for error in line["errors"]]
    assert sorted(error.body for error in found) == sorted(said)
