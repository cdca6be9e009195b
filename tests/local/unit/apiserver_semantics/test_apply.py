from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossfade_local.apiserver.apply import ApplyConflict, ApplyError, check_applied, server_side_apply, track_update
from crossfade_local.apiserver.types.schema import SchemaNode

from .conftest import SchemaOf

START = datetime(2026, 1, 1, tzinfo=UTC)


def config_map(labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": "c", "namespace": "n"}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def apply(
    live: dict[str, Any] | None,
    applied: dict[str, Any],
    schema: SchemaNode,
    *,
    manager: str = "a",
    force: bool = False,
    at: int = 0,
) -> dict[str, Any]:
    return server_side_apply(
        live, applied, manager=manager, force=force, subresource="", schema=schema, now=START + timedelta(seconds=at)
    )


def track(
    old: dict[str, Any] | None,
    new: dict[str, Any],
    schema: SchemaNode,
    *,
    manager: str = "w",
    subresource: str = "",
    at: int = 0,
) -> dict[str, Any]:
    moment = START + timedelta(seconds=at)
    return track_update(old, new, manager=manager, subresource=subresource, schema=schema, now=moment)


def fields_of(obj: dict[str, Any], manager: str) -> Any:
    found = [entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", ()) if entry["manager"] == manager]
    return found[0] if found else None


@pytest.fixture
def schema(schema_of: SchemaOf) -> SchemaNode:
    return schema_of("", "v1", "ConfigMap")


def test_a_conflict_names_manager_and_field(schema: SchemaNode) -> None:
    live = apply(None, config_map(p="1", x="1"), schema)
    with pytest.raises(ApplyConflict) as caught:
        apply(live, config_map(p="2"), schema, manager="b")
    assert caught.value.message == 'Apply failed with 1 conflict: conflict with "a": .data.p'
    assert caught.value.causes == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".data.p"}
    ]


def test_several_conflicts_are_grouped_by_manager(schema: SchemaNode) -> None:
    live = apply(None, config_map(p="1", x="1"), schema)
    live = track(live, {**live, "data": {**live["data"], "z": "1"}}, schema)
    with pytest.raises(ApplyConflict) as caught:
        apply(live, config_map(p="2", x="2", z="2"), schema, manager="b")
    assert caught.value.message.splitlines() == [
        'Apply failed with 3 conflicts: conflicts with "a":',
        "- .data.p",
        "- .data.x",
        'conflicts with "w" using v1:',
        "- .data.z",
    ]


def test_force_takes_the_field_over(schema: SchemaNode) -> None:
    live = apply(None, config_map({"team": "a"}, p="1", x="1"), schema)
    live = apply(live, config_map(p="2", z="2"), schema, manager="b", force=True, at=5)
    assert live["data"] == {"p": "2", "x": "1", "z": "2"}
    assert fields_of(live, "a") == {"f:data": {"f:x": {}}, "f:metadata": {"f:labels": {"f:team": {}}}}
    assert fields_of(live, "b") == {"f:data": {"f:p": {}, "f:z": {}}}
    assert [entry["time"] for entry in live["metadata"]["managedFields"]] == [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:05Z",
    ]


def test_fields_given_up_vanish_unless_others_manage_them(schema: SchemaNode) -> None:
    live = apply(None, config_map(mine="1", shared="1"), schema)
    live = apply(live, config_map(shared="1"), schema, manager="b")
    live = apply(live, config_map(), schema)
    assert live["data"] == {"shared": "1"}
    assert fields_of(live, "a") is None or "f:shared" not in fields_of(live, "a").get("f:data", {})


def test_what_nobody_applied_stays(schema: SchemaNode) -> None:
    live = apply(None, config_map(a="1"), schema)
    live = track(live, {**live, "data": {"a": "1", "free": "1"}}, schema)
    assert apply(live, config_map(), schema)["data"] == {"free": "1"}


def test_list_items_are_shared_by_key(schema_of: SchemaOf) -> None:
    schema = schema_of("apps", "v1", "Deployment")
    proxy = {"name": "proxy", "image": "kong:2.1", "ports": [{"containerPort": 8000}]}
    live = apply(None, deployment(template={"spec": {"containers": [proxy]}}), schema, manager="kubectl")
    mesh = [{"name": "envoy", "image": "e"}, {"name": "proxy", "env": [{"name": "M", "value": "1"}]}]
    live = apply(live, deployment(template={"spec": {"containers": mesh}}), schema, manager="mesh")
    containers = live["spec"]["template"]["spec"]["containers"]
    assert [item["name"] for item in containers] == ["envoy", "proxy"]
    assert containers[1] == {**proxy, "env": [{"name": "M", "value": "1"}]}
    live = apply(live, deployment(template={"spec": {"containers": [mesh[0]]}}), schema, manager="mesh")
    assert live["spec"]["template"]["spec"]["containers"] == [mesh[0], proxy]


def test_what_loses_all_that_is_in_it_stays_empty_for_its_other_manager(schema_of: SchemaOf) -> None:
    schema = schema_of("apps", "v1", "Deployment")
    live = apply(None, deployment(template={"spec": {"securityContext": {"runAsUser": 1}}}), schema)
    live = apply(live, deployment(template={"spec": {"securityContext": {}}}), schema, manager="b")
    live = apply(live, deployment(), schema)
    assert live["spec"] == {"template": {"spec": {"securityContext": {}}}}


def test_the_scale_subresource_is_named_in_conflicts(schema_of: SchemaOf) -> None:
    schema = schema_of("apps", "v1", "Deployment")
    live = apply(None, deployment(replicas=0), schema, manager="kubectl")
    scaled = track(live, {**live, "spec": {"replicas": 1}}, schema, manager="kubectl", subresource="scale")
    with pytest.raises(ApplyConflict) as caught:
        apply(scaled, deployment(replicas=0), schema, manager="kubectl")
    assert caught.value.message.endswith('"kubectl" with subresource "scale" using apps/v1: .spec.replicas')


def test_kubectl_takes_over_what_its_client_side_apply_had_set(schema: SchemaNode) -> None:
    last = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{"a":"1"}}'
    live = config_map(a="1")
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": last}
    live = track(None, live, schema, manager="kubectl-client-side-apply")
    with pytest.raises(ApplyConflict):
        apply(live, config_map(a="2"), schema, manager="other")
    taken = apply(live, config_map(a="2"), schema, manager="kubectl")
    assert taken["data"] == {"a": "2"}
    assert '"a":"2"' in taken["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ({"data": {"num": 1}}, ".data.num: expected string, got &value.valueUnstructured{Value:1}"),
        ({"dato": {}}, ".dato: field not declared in schema"),
        ({"data": "x"}, ".data: expected map, got &{x}"),
        ({"immutable": "yes"}, ".immutable: expected boolean, got &{yes}"),
    ],
)
def test_unfit_content_is_refused(schema: SchemaNode, extra: dict[str, Any], text: str) -> None:
    with pytest.raises(ApplyError) as caught:
        check_applied({**config_map(), **extra}, schema)
    assert str(caught.value) == f"failed to create typed patch object (n/c; /v1, Kind=ConfigMap): {text}"


def test_a_create_is_tracked_without_the_structs_that_are_always_there(schema_of: SchemaOf) -> None:
    schema = schema_of("apps", "v1", "Deployment")
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    made = track(None, deployment(replicas=1, template=template), schema, manager="m")
    container = {".": {}, "f:image": {}, "f:name": {}}
    assert fields_of(made, "m") == {
        "f:spec": {
            "f:replicas": {},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
                "f:spec": {"f:containers": {'k:{"name":"c"}': container}},
            },
        }
    }


def test_an_update_without_changes_changes_nothing(schema: SchemaNode) -> None:
    made = track(None, config_map(a="1"), schema, manager="m")
    again = track(made, deepcopy(made), schema, manager="n", at=3600)
    assert again == made


def test_reset_managed_fields_stay_untracked(schema: SchemaNode) -> None:
    made = track(None, config_map(a="1"), schema, manager="m")
    reset = {**made, "metadata": {**made["metadata"], "managedFields": []}}
    assert "managedFields" not in track(made, reset, schema, manager="m")["metadata"]


def test_old_writers_are_joined(schema: SchemaNode) -> None:
    obj = track(None, config_map(k0="1"), schema, manager="m0")
    for index in range(1, 14):
        new = {**obj, "data": {**obj["data"], f"k{index}": "1"}}
        obj = track(obj, new, schema, manager=f"m{index}", at=index)
    managers = [entry["manager"] for entry in obj["metadata"]["managedFields"]]
    assert len(managers) == 10
    assert managers.count("ancient-changes") == 1


data = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("12"), max_size=4)
containers = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["x:1", "x:2"]), min_size=1, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data, data, data)
def test_applying_twice_is_applying_once(
    schema: SchemaNode, first: dict[str, str], other: dict[str, str], second: dict[str, str]
) -> None:
    live = apply(None, config_map(**first), schema)
    live = apply(live, config_map(**other), schema, manager="b", force=True, at=1)
    once = apply(live, config_map(**second), schema, force=True, at=2)
    twice = apply(once, config_map(**second), schema, at=3)
    assert twice.get("data", {}) == once.get("data", {})
    assert fields_of(twice, "a") == fields_of(once, "a")
    assert fields_of(twice, "b") == fields_of(once, "b")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data, data)
def test_shared_fields_survive_removal_by_one(schema: SchemaNode, mine: dict[str, str], shared: dict[str, str]) -> None:
    live = apply(None, config_map(**(mine | shared)), schema)
    live = apply(live, config_map(**shared), schema, manager="b")
    live = apply(live, config_map(), schema)
    assert live.get("data", {}) == shared


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(containers, containers)
def test_containers_of_two_appliers_live_side_by_side(
    schema_of: SchemaOf, mine: dict[str, str], theirs: dict[str, str]
) -> None:
    schema = schema_of("apps", "v1", "Deployment")

    def pods(images: dict[str, str]) -> dict[str, Any]:
        items = [{"name": name, "image": image} for name, image in images.items()]
        return deployment(template={"spec": {"containers": items}})

    live = apply(None, pods(mine), schema)
    live = apply(live, pods(theirs), schema, manager="b", force=True)
    found = live["spec"]["template"]["spec"]["containers"]
    assert {item["name"]: item["image"] for item in found} == mine | theirs
    assert len(found) == len(mine | theirs)
    live = apply(live, deployment(), schema)
    assert {item["name"] for item in live["spec"]["template"]["spec"]["containers"]} == set(theirs)


def test_items_without_their_key_have_its_zero_value(schema_of: SchemaOf) -> None:
    nameless = deployment(template={"spec": {"containers": [{"image": "x"}]}})
    live = apply(None, nameless, schema_of("apps", "v1", "Deployment"))
    containers = fields_of(live, "a")["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert list(containers) == ['k:{"name":""}']
