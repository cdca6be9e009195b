from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossfade_local.apiserver.patch import PatchError, apply_merge_patch

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4)
)
objects = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        # Not the standard's, but Kubernetes': a null member of an object in a list, unless the list replaces an object.
        ({}, {"a": [{"b": None}]}, {"a": [{}]}),
        ({"a": {}}, {"a": [{"b": None}]}, {"a": [{"b": None}]}),
    ],
)
def test_examples_of_the_standard(target: Any, patch: Any, expected: Any) -> None:
    assert apply_merge_patch(target, patch) == expected


@given(objects, objects)
def test_patching_twice_is_patching_once_and_the_input_stays(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = deepcopy(target)
    once = apply_merge_patch(target, patch)
    assert apply_merge_patch(once, patch) == once
    assert target == before


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def difference(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    patch = dict.fromkeys(old.keys() - new.keys())
    return patch | {key: difference(old.get(key), new[key]) for key in new if old.get(key) != new[key]}


@given(objects.map(without_nulls), objects.map(without_nulls))
def test_a_difference_leads_to_the_target(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert apply_merge_patch(old, difference(old, new)) == new


def test_only_objects_are_patches() -> None:
    with pytest.raises(PatchError) as caught:
        apply_merge_patch({}, [1])
    assert caught.value.code == 400
