"""How Go's decoder takes objects of built-in kinds."""

from typing import Any

import pytest

from crossfade_local.apiserver.types.typed import WrongTypeError, conform
from crossfade_local.apiserver.types.zero_values import with_zero_values
from tests.local.unit.apiserver_semantics.conftest import SchemaOf

POD = ("", "v1", "Pod")
SERVICE = ("", "v1", "Service")
HPA = ("autoscaling", "v2", "HorizontalPodAutoscaler")


@pytest.mark.parametrize(
    ("kind", "obj", "said"),
    [
        (
            POD,
            {"metadata": {"labels": {"a": 1}}},
            "number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            POD,
            {"spec": {"volumes": [{"nfs": {"path": []}}]}},
            "array into Go struct field NFSVolumeSource.spec.volumes.VolumeSource.nfs.path of type string",
        ),
        (
            POD,
            {"spec": {"containers": [{"ports": [{"containerPort": 99999999999}]}]}},
            "number 99999999999 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
        ),
        (SERVICE, {"spec": {"type": 1}}, "number into Go struct field ServiceSpec.spec.type of type v1.ServiceType"),
        (
            SERVICE,
            {"spec": {"ports": [{"targetPort": 2**31}]}},
            "number 2147483648 into Go struct field ServicePort.spec.ports.targetPort of type int32",
        ),
        (
            HPA,
            {"spec": []},
            "array into Go struct field HorizontalPodAutoscaler.spec of type v2.HorizontalPodAutoscalerSpec",
        ),
        (
            HPA,
            {"spec": {"maxReplicas": 2.0}},
            "number 2.0 into Go struct field HorizontalPodAutoscalerSpec.spec.maxReplicas of type int32",
        ),
        (
            ("", "v1", "Secret"),
            {"data": ""},
            "string into Go struct field Secret.data of type map[string][]uint8",
        ),
    ],
)
def test_misfits_are_named_as_go_names_them(
    schema_of: SchemaOf, kind: tuple[str, str, str], obj: dict[str, Any], said: str
) -> None:
    with pytest.raises(WrongTypeError) as raised:
        conform(schema_of(*kind), obj)

    assert str(raised.value) == f"json: cannot unmarshal {said}"


def test_zero_values_are_left_out_where_go_leaves_them_out(schema_of: SchemaOf) -> None:
    sent = {"spec": {"replicas": 0, "minReadySeconds": 0, "paused": False, "template": {"spec": {"hostname": ""}}}}

    found = conform(schema_of("apps", "v1", "Deployment"), sent).object

    assert found == {"spec": {"replicas": 0, "template": {"spec": {}}}}


def test_quantities_are_decoded_to_their_canonical_form(schema_of: SchemaOf) -> None:
    sent = {"spec": {"overhead": {"cpu": 0.5, "memory": "1024Mi", "pods": 2, "x/y": " 1000m"}}}

    found = conform(schema_of(*POD), sent).object

    assert found["spec"]["overhead"] == {"cpu": "500m", "memory": "1Gi", "pods": "2", "x/y": "1"}


def test_null_is_a_zero_value_in_lists_and_maps(schema_of: SchemaOf) -> None:
    sent = {"spec": {"containers": [None, {"args": [None], "resources": {"requests": {"cpu": None}}}]}}

    found = conform(schema_of(*POD), sent).object

    assert found == {"spec": {"containers": [{}, {"args": [""], "resources": {"requests": {"cpu": "0"}}}]}}


@pytest.mark.parametrize(
    ("kind", "obj", "written"),
    [
        (
            ("policy", "v1", "PodDisruptionBudget"),
            {},
            {
                "metadata": {},
                "spec": {},
                "status": {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0},
            },
        ),
        (
            ("", "v1", "LimitRange"),
            {"metadata": {"name": "l"}, "spec": {}},
            {"metadata": {"name": "l"}, "spec": {"limits": None}},
        ),
        (
            ("", "v1", "PersistentVolumeClaim"),
            {"metadata": {}, "spec": {"dataSource": {"kind": "k", "name": "n"}, "resources": {}}, "status": {}},
            {
                "metadata": {},
                "spec": {"dataSource": {"apiGroup": None, "kind": "k", "name": "n"}, "resources": {}},
                "status": {},
            },
        ),
    ],
    ids=["structs and numbers", "lists", "pointers"],
)
def test_what_nobody_has_set_is_written_as_go_writes_it(
    schema_of: SchemaOf, kind: tuple[str, str, str], obj: dict[str, Any], written: dict[str, Any]
) -> None:
    assert with_zero_values(schema_of(*kind), obj) == written


def test_an_object_that_has_it_all_is_not_copied(schema_of: SchemaOf) -> None:
    schema = schema_of("apps", "v1", "Deployment")
    complete = with_zero_values(schema, {"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}})

    assert complete["spec"]["template"]["spec"]["containers"] == [{"name": "c", "resources": {}}]
    assert with_zero_values(schema, complete) is complete
