import pytest

from crossfade_kube.meta import NamespacedName
from crossfade_local.controllers.endpoints.addresses import pod_addresses
from crossfade_local.controllers.endpoints.slices import SliceChanges, slice_changes
from crossfade_local.controllers.endpoints.subsets import endpoints_of
from crossfade_local.controllers.endpoints.trigger_times import CHANGED_AT, TriggerTimes, stamped
from tests.local.unit.controllers.objects import Json, pod, service

WEB = {"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}
ADMIN = {"name": "adm", "port": 81, "targetPort": 9099, "protocol": "TCP"}
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


def _changes(subject: Json, pods: list[Json], existing: list[Json] | None = None) -> SliceChanges:
    return slice_changes(subject, pod_addresses(subject, pods), existing or [])


def _stored(item: Json, name: str = "jazz-abcde") -> Json:
    metadata = {**item["metadata"], "name": name, "resourceVersion": "1"}
    return {**item, "metadata": metadata}


def test_a_slice_as_the_real_controller_writes_it() -> None:
    [made] = _changes(service(WEB, ADMIN), [pod("a", "10.0.0.2")]).create
    assert made == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": "jazz-",
            "namespace": "prod",
            "labels": {
                "app": "jazz",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": "jazz",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": "jazz",
                    "uid": "s",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "ports": [
            {"name": "adm", "port": 9099, "protocol": "TCP"},
            {"name": "http", "port": 9080, "protocol": "TCP"},
        ],
        "endpoints": [
            {
                "addresses": ["10.0.0.2"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": "prod", "name": "a", "uid": "a"},
                "nodeName": "n",
            }
        ],
    }


@pytest.mark.parametrize(
    ("subject", "item", "expected"),
    [
        (service(WEB), pod("a", "10.0.0.2", ready=False), (False, False, False)),
        (service(WEB), pod("a", "10.0.0.2", **DELETED), (False, True, True)),
        (service(WEB, publishNotReadyAddresses=True), pod("a", "10.0.0.2", ready=False), (True, False, False)),
        (service(WEB, publishNotReadyAddresses=True), pod("a", "10.0.0.2", **DELETED), (True, True, True)),
    ],
)
def test_conditions(subject: Json, item: Json, expected: tuple[bool, bool, bool]) -> None:
    [made] = _changes(subject, [item]).create
    conditions = made["endpoints"][0]["conditions"]
    assert (conditions["ready"], conditions["serving"], conditions["terminating"]) == expected


@pytest.mark.parametrize("item", [pod("a", ""), pod("a", "10.0.0.2", phase="Failed")])
def test_pods_without_address_or_future_do_not_count(item: Json) -> None:
    [made] = _changes(service(WEB), [item]).create
    assert (made["endpoints"], made["ports"]) == (None, None)


def test_nothing_changes_without_need() -> None:
    pods = [pod("a", "10.0.0.2")]
    [made] = _changes(service(WEB), pods).create
    assert _changes(service(WEB), pods, [_stored(made)]) == SliceChanges([], [], [])


def test_names_stay_when_pods_come_and_go() -> None:
    [made] = _changes(service(WEB), [pod("a", "10.0.0.2")]).create
    changes = _changes(service(WEB), [pod("b", "10.0.0.3")], [_stored(made)])
    assert [item["metadata"]["name"] for item in changes.replace] == ["jazz-abcde"]
    assert (changes.create, changes.delete) == ([], [])
    emptied = _changes(service(WEB), [], [_stored(made)])
    assert (emptied.replace[0]["endpoints"], emptied.replace[0]["metadata"]["name"]) == (None, "jazz-abcde")


def test_pods_with_another_number_for_a_named_port_get_their_own_slice() -> None:
    other = pod("b", "10.0.0.3")
    other["spec"]["containers"][0]["ports"][0]["containerPort"] = 7000
    made = _changes(service(WEB), [pod("a", "10.0.0.2"), other]).create
    assert [(item["ports"][0]["port"], item["endpoints"][0]["addresses"]) for item in made] == [
        (7000, ["10.0.0.3"]),
        (9080, ["10.0.0.2"]),
    ]


def test_large_services_are_cut_into_slices() -> None:
    pods = [pod(f"p{number}", f"10.0.{number // 250}.{number % 250}") for number in range(250)]
    made = _changes(service(WEB), pods).create
    assert sorted(len(item["endpoints"]) for item in made) == [50, 100, 100]


def test_since_when_a_change_is_awaited() -> None:
    """Of a new Service since it is there, then since the first pod's readiness changed."""
    times, subject = TriggerTimes(), service()
    subject["metadata"]["creationTimestamp"] = "2026-01-01T00:00:05Z"
    pods = [pod("a", "10.244.0.2"), pod("b", "10.244.0.3")]
    assert times.take(subject, pods[:1]) == "2026-01-01T00:00:05Z"
    assert times.take(subject, pods) == "2026-01-01T00:00:00Z"
    assert times.take(subject, pods) is None
    assert times.take(subject, pods[1:]) is None
    pods[1]["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:09Z"
    assert times.take(subject, pods[1:]) == "2026-01-01T00:00:09Z"
    times.forget(NamespacedName("prod", "jazz"))
    assert times.take(subject, pods) == "2026-01-01T00:00:05Z"


def test_the_annotation_is_that_of_the_last_change() -> None:
    before = {"metadata": {"name": "jazz", "annotations": {"a": "b", CHANGED_AT: "2026-01-01T00:00:05Z"}}}
    after = stamped(before, "2026-01-01T00:00:09Z")
    assert after["metadata"]["annotations"] == {"a": "b", CHANGED_AT: "2026-01-01T00:00:09Z"}
    assert stamped(after, None)["metadata"]["annotations"] == {"a": "b"}
    assert stamped({"metadata": {}}, None) == {"metadata": {}}


def test_endpoints_of_the_older_kind() -> None:
    pods = [pod("a", "10.0.0.2"), pod("b", "10.0.0.3", ready=False), pod("c", "10.0.0.4", **DELETED)]
    subject = service(WEB, ADMIN)
    found = endpoints_of(subject, pod_addresses(subject, pods))
    [subset] = found["subsets"]
    assert [item["ip"] for item in subset["addresses"]] == ["10.0.0.2"]
    assert [item["ip"] for item in subset["notReadyAddresses"]] == ["10.0.0.3"]
    assert [(port["name"], port["port"]) for port in subset["ports"]] == [("http", 9080), ("adm", 9099)]
    assert found["metadata"]["labels"] == {"app": "jazz", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    assert "subsets" not in endpoints_of(subject, [])
