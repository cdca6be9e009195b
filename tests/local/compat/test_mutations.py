"""Mutations of policies change a Deployment as Kubernetes does, or fail with its words: `mutations.jsonl` was recorded.

That is what k8s.io/apiserver of Kubernetes 1.36 makes of a Deployment that is created.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.apiserver.policies.compilation import faults
from crossfade_local.apiserver.policies.mutations import KINDS, MutationError, patch_of
from crossfade_local.apiserver.policies.patching import patched
from tests.support.api_in_process import builtin_types

Json = dict[str, Any]
LINES = [json.loads(line) for line in (Path(__file__).parent / "mutations.jsonl").read_text().splitlines()]
OBJECT = {"apiVersion": "apps/v1", "kind": "Deployment", **LINES[0]["object"]}
RECORDED = LINES[1:]
JSON_PATCH = "JSON Patch: "


def called(recorded: Json) -> str:
    mutation = recorded["mutation"]
    return str(mutation[KINDS[mutation["patchType"]]]["expression"])


def result_of(mutation: Json) -> Json:
    """Raises MutationError."""
    shown = {"object": OBJECT, "oldObject": None, "request": {}, "namespaceObject": None}
    patch = patch_of({"mutations": [mutation]}, 0, shown, lambda _: (False, ""))
    return patched(OBJECT, patch, builtin_types().schema(("apps", "v1", "Deployment")))


def without_nothing(value: Any) -> Any:
    """Go writes structs out that have nothing in them."""
    if isinstance(value, list):
        return [without_nothing(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: without_nothing(item) for key, item in value.items()}
    return {key: item for key, item in found.items() if item is not None and item != {}}


@pytest.mark.parametrize("recorded", RECORDED, ids=map(called, RECORDED))
def test_mutation(recorded: Json) -> None:
    wrong = faults({"mutations": [recorded["mutation"]]})
    said = recorded.get("error", "")
    if said.startswith("compilation failed"):
        assert [fault.detail for fault in wrong] == [said]
        return
    assert not wrong
    if not said:
        assert without_nothing(result_of(recorded["mutation"])) == without_nothing(recorded["result"])
        return
    with pytest.raises(MutationError) as failed:
        result_of(recorded["mutation"])
    own = str(failed.value)
    # Which operation cannot be carried out is said in words of our own.
    assert own == said or (own.startswith(JSON_PATCH) and said.startswith(JSON_PATCH))
