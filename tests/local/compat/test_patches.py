"""Patches and applied configurations do what they do in Kubernetes.

Recorded with its own libraries, from drawn objects: `patches.jsonl` with those that its API server calls for each
format of a patch, `applies.jsonl` with the structured-merge-diff (6.3.2) of Kubernetes 1.36, by the schema of the
model's test.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crossfade_local.apiserver.apply import ApplyConflict, server_side_apply, track_update
from crossfade_local.apiserver.patch import PatchError, apply_json_patch, apply_merge_patch, apply_strategic_patch
from tests.local.unit.apiserver_models.test_field_owners import SCHEMA, fields_paths, owners_of, whole
from tests.support.api_in_process import builtin_types

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(name: str) -> list[Any]:
    return [json.loads(line) for line in (Path(__file__).parent / name).read_text().splitlines()]


@pytest.mark.parametrize("case", recorded("patches.jsonl"))
def test_patch(case: dict[str, Any]) -> None:
    patched = {
        "json": apply_json_patch,
        "merge": apply_merge_patch,
        "strategic": lambda obj, patch: apply_strategic_patch(
            obj, patch, builtin_types().schema(("apps", "v1", "Deployment"))
        ),
    }[case["type"]]
    if case.get("refused"):
        with pytest.raises(PatchError):
            patched(case["object"], case["patch"])
    else:
        assert json.dumps(patched(case["object"], case["patch"]), sort_keys=True) == json.dumps(
            case["result"], sort_keys=True
        )


@pytest.mark.parametrize("steps", recorded("applies.jsonl"))
def test_applies_and_updates(steps: list[dict[str, Any]]) -> None:
    live: dict[str, Any] | None = None
    for step in steps:
        sent, manager = whole(step["spec"]), step["manager"]
        if "force" not in step:
            live = track_update(live, sent, manager=manager, subresource="", schema=SCHEMA, now=NOW)
        else:
            try:
                live = server_side_apply(
                    live, sent, manager=manager, force=step["force"], subresource="", schema=SCHEMA, now=NOW
                )
            except ApplyConflict as refused:
                found = {(one.manager.manager, one.path) for one in refused.conflicts}
                assert found == {(name, path) for name, fields in step["conflicts"] for path in fields_paths(fields)}
                continue
        assert "conflicts" not in step
        assert live.get("spec") == without_nulls(step["object"]).get("spec")
        assert owners_of(live) == {name: set(fields_paths(fields)) for name, fields in step["owners"].items() if fields}


def without_nulls(value: Any) -> Any:
    """The library writes null where a field is gone, which Kubernetes does not store."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value
