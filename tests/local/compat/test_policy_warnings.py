"""The status of a policy says of its expressions what Kubernetes says: `warnings.jsonl` was recorded.

That is what k8s.io/apiserver of Kubernetes 1.36 says where the only kind is Thing of example.com/v1.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.apiserver.policies.type_checking import warnings
from crossfade_local.apiserver.types.registry import Registry, ResourceType
from crossfade_local.apiserver.types.schema import SchemaNode
from tests.support.api_in_process import builtin_types

Json = dict[str, Any]
LINES = [json.loads(line) for line in (Path(__file__).parent / "warnings.jsonl").read_text().splitlines()]
SCHEMA, RECORDED = LINES[0]["schema"], LINES[1:]


def called(recorded: Json) -> str:
    return " ".join(one["expression"] for one in recorded["policy"]["validations"])


@pytest.fixture(scope="module")
def things() -> Registry:
    registry = Registry(builtin_types())
    kind = ResourceType(
        group="example.com",
        version="v1",
        kind="Thing",
        plural="things",
        singular="thing",
        list_kind="ThingList",
        namespaced=True,
        verbs=(),
        schema=SchemaNode(SCHEMA),
        storage=("example.com", "v1", "things"),
        storage_kind="Thing",
    )
    registry.set_custom("things.example.com", [kind])
    return registry


@pytest.mark.parametrize("recorded", RECORDED, ids=map(called, RECORDED))
def test_warnings(recorded: Json, things: Registry) -> None:
    assert warnings(recorded["policy"], things) == (recorded["warnings"] or [])
