from typing import Any

import pytest

from crossfade_local.apiserver.patch import PatchError, apply_json_patch


def test_operations_apply_in_order_and_the_input_stays() -> None:
    obj = {"data": {"x": "1", "p": "2"}}
    ops = [
        {"op": "replace", "path": "/data/x", "value": "7"},
        {"op": "copy", "from": "/data/x", "path": "/data/w"},
        {"op": "move", "from": "/data/p", "path": "/data/v"},
        {"op": "add", "path": "/data/a~1b", "value": "z"},
    ]
    assert apply_json_patch(obj, ops) == {"data": {"x": "7", "w": "7", "v": "2", "a/b": "z"}}
    assert obj == {"data": {"x": "1", "p": "2"}}


@pytest.mark.parametrize(
    "op",
    [
        {"op": "test", "path": "/replicas", "value": 7},
        {"op": "remove", "path": "/nope"},
        {"op": "replace", "path": "/nope/x", "value": 1},
        {"op": "test", "path": "/replicas", "value": False},
        {"op": "add", "path": "", "value": {}},
        {"op": "copy", "from": "", "path": "/all"},
        {"op": "move", "from": "/nope", "path": "/all"},
        {"op": "add", "path": "/list/-2", "value": 1},
        {"op": "replace", "path": "", "value": [1]},
        {"op": "frobnicate", "path": "/replicas"},
        {"op": "add", "path": "/list/9", "value": 1},
    ],
)
def test_refusals_say_nothing_of_the_cause(op: dict[str, Any]) -> None:
    with pytest.raises(PatchError) as caught:
        apply_json_patch({"replicas": 0, "list": []}, [op])
    status = caught.value.status()
    assert (status["code"], status["reason"], status["details"]) == (422, "Invalid", {})
    assert status["message"] == "the server rejected our request due to an error in our request"


def test_what_is_not_there_is_null() -> None:
    ops = [
        {"op": "test", "path": "/none", "value": None},
        {"op": "replace", "path": "/made", "value": 1},
        {"op": "copy", "from": "/none", "path": "/copied"},
        {"op": "add", "path": "/list/-2", "value": "last but one"},
    ]
    expected = {"list": ["a", "last but one", "b"], "made": 1, "copied": None}
    assert apply_json_patch({"list": ["a", "b"]}, ops) == expected


def test_an_operation_is_an_object() -> None:
    with pytest.raises(PatchError, match="cannot unmarshal string into Go value"):
        apply_json_patch({}, ["add"])


def test_a_patch_is_a_list() -> None:
    with pytest.raises(PatchError, match="cannot unmarshal object into Go value"):
        apply_json_patch({}, {"op": "add"})
