from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade_local.apiserver.patch import PatchError, apply_strategic_patch

from .conftest import SchemaOf


def deployment(**pod: Any) -> dict[str, Any]:
    return {"spec": {"replicas": 1, "template": {"metadata": {"labels": {"app": "a"}}, "spec": pod}}}


def pod_patch(**pod: Any) -> dict[str, Any]:
    return {"spec": {"template": {"spec": pod}}}


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        pytest.param(
            {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]},
            {"containers": [{"name": "b", "image": "3"}]},
            {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "3"}]},
            id="items are found by their key",
        ),
        pytest.param(
            {"containers": [{"name": "a"}, {"name": "b"}]},
            {"containers": [{"name": "new"}, {"name": "b", "$patch": "delete"}]},
            {"containers": [{"name": "new"}, {"name": "a"}]},
            id="new items come first, deleted ones go",
        ),
        pytest.param(
            {"containers": [{"name": "a"}, {"name": "b"}]},
            {"containers": [{"$patch": "replace"}, {"name": "c"}]},
            {"containers": [{"name": "c"}]},
            id="a list can be replaced as a whole",
        ),
        pytest.param(
            {"tolerations": [{"key": "a"}]},
            {"tolerations": [{"key": "b"}]},
            {"tolerations": [{"key": "b"}]},
            id="lists without a key are replaced",
        ),
        pytest.param(
            {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
            {
                "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
                "containers": [{"name": "a", "image": "x"}],
            },
            {"containers": [{"name": "b"}, {"name": "c"}, {"name": "a", "image": "x"}]},
            id="the order can be dictated",
        ),
        pytest.param(
            {"nodeSelector": {"a": "1", "b": "2"}},
            {"nodeSelector": {"$patch": "replace", "c": "3"}},
            {"nodeSelector": {"c": "3"}},
            id="a map can be replaced",
        ),
        pytest.param(
            {"volumes": [{"name": "v", "emptyDir": {}}]},
            {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]},
            {"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]},
            id="other keys can be dropped",
        ),
        pytest.param(
            {"hostname": "h", "subdomain": "s"}, {"hostname": None}, {"subdomain": "s"}, id="null removes a field"
        ),
        pytest.param(
            {},
            {"containers": [{"name": "a", "image": None}, {"name": "b", "$patch": "delete"}]},
            {"containers": [{"name": "a"}]},
            id="directives and nulls don't end up in new lists",
        ),
    ],
)
def test_merging(schema_of: SchemaOf, before: Any, patch: Any, after: Any) -> None:
    found = apply_strategic_patch(deployment(**before), pod_patch(**patch), schema_of("apps", "v1", "Deployment"))
    assert found == deployment(**after)


def test_scalar_lists_are_joined_and_thinned(schema_of: SchemaOf) -> None:
    schema = schema_of("", "v1", "ConfigMap")
    obj = {"metadata": {"finalizers": ["a/1", "a/2"]}}
    joined = apply_strategic_patch(obj, {"metadata": {"finalizers": ["a/3"]}}, schema)
    assert set(joined["metadata"]["finalizers"]) == {"a/1", "a/2", "a/3"}
    thinned = apply_strategic_patch(joined, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a/1"]}}, schema)
    assert set(thinned["metadata"]["finalizers"]) == {"a/2", "a/3"}


@pytest.mark.parametrize(
    ("patch", "code", "text"),
    [
        (pod_patch(containers=[{"image": "x"}]), 500, "map: map[image:x] does not contain declared merge key: name"),
        ({"spec": {"replicas": "two"}}, 422, "unrecognized type: int32"),
        ({"spec": {"paused": "yes"}}, 422, "unrecognized type: bool"),
        ({"metadata": {"labels": {"a": 1}}}, 422, "cannot convert int64 to string"),
        ({"spec": []}, 422, "cannot restore struct from: slice"),
        (
            pod_patch(volumes=[{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]),
            400,
            "invalid patch format of retainKeys",
        ),
        ({"spec": {"$patch": "merge"}}, 500, "unknown patch type: merge in map: map[$patch:merge]"),
    ],
)
def test_refusals(schema_of: SchemaOf, patch: Any, code: int, text: str) -> None:
    obj = deployment(containers=[{"name": "a"}], volumes=[{"name": "v"}])
    with pytest.raises(PatchError) as caught:
        apply_strategic_patch(obj, patch, schema_of("apps", "v1", "Deployment"))
    assert caught.value.code == code
    assert text in caught.value.status()["message"]


images = st.sampled_from(["x:1", "x:2"])
containers = st.dictionaries(st.sampled_from("abcd"), images, max_size=4).map(
    lambda found: [{"name": name, "image": image} for name, image in found.items()]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(containers, containers)
def test_patching_twice_is_patching_once(schema_of: SchemaOf, before: list[Any], patch: list[Any]) -> None:
    schema, obj = schema_of("apps", "v1", "Deployment"), deployment(containers=before)
    change = pod_patch(containers=patch)
    kept = deepcopy(change)
    once = apply_strategic_patch(obj, change, schema)
    assert change == kept
    assert apply_strategic_patch(deepcopy(once), change, schema) == once
    merged = {item["name"]: item["image"] for item in once["spec"]["template"]["spec"]["containers"]}
    assert merged == {item["name"]: item["image"] for item in [*before, *patch]}
