"""Which zone a pod is in, by what EndpointSlices say of it."""

from typing import Any

from crossfade.compile.diagnostics import Diagnostics
from crossfade.compile.memo import Memo
from crossfade.compile.mesh.zones import pod_zones
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import EndpointSlice
from crossfade_kube.registry import decode


def part(name: str, *endpoints: dict[str, Any]) -> EndpointSlice:
    ends = [{"addresses": ["10.0.0.1"], **one} for one in endpoints]
    metadata = {"name": name, "namespace": "prod"}
    return decode({"metadata": metadata, "addressType": "IPv4", "endpoints": ends}, EndpointSlice)


def pod(name: str, namespace: str = "") -> dict[str, Any]:
    return {"kind": "Pod", "name": name, "namespace": namespace}


def test_pods_with_a_zone_are_known_whether_they_are_ready_or_not() -> None:
    one = part(
        "one",
        {"targetRef": pod("a"), "zone": "z1"},
        {"targetRef": pod("b", "test"), "zone": "z2", "conditions": {"ready": False}},
        {"targetRef": pod("c")},
        {"targetRef": {"kind": "Node", "name": "d"}, "zone": "z1"},
        {"zone": "z1"},
    )
    zones = pod_zones(Snapshot.of([one]), Memo(), Diagnostics())
    assert zones == {"prod/a": "z1", "test/b": "z2"}


def test_the_same_slices_give_the_same_object() -> None:
    one, two, memo = part("one", {"targetRef": pod("a"), "zone": "z1"}), part("two"), Memo()

    def found(*slices: EndpointSlice) -> object:
        memo.begin()
        return pod_zones(Snapshot.of(slices), memo, Diagnostics())

    first = found(one, two)
    assert found(one, two) is first
    assert found(one) == first
    assert found(two) == {}
