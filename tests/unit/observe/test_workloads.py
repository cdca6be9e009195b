"""Whose pods proxies are."""

from typing import Any

from crossfade.observe.graph import Workload
from crossfade.observe.workloads import workloads_of
from crossfade_kube.meta import ObjectRef
from tests.unit.observe.test_targets import PROXY, envoy, pod

PATH = "mesh/m/virtualNode/n"
NODE = ObjectRef("appmesh.k8s.aws/v1beta2", "VirtualNode", "ns", "n")
GATE = ObjectRef("appmesh.k8s.aws/v1beta2", "VirtualGateway", "ns", "g")
OWNERS = {PATH: NODE, "mesh/m/virtualGateway/g": GATE}


def ready(found: dict[str, Any]) -> dict[str, Any]:
    found["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return found


def test_pods_are_counted_by_their_nodes() -> None:
    nodes, alone = workloads_of([ready(pod(envoy())), pod(envoy(), name="q")], OWNERS)
    assert alone == {}
    assert set(nodes) == {
        Workload("virtualNode", "ns", "n", mesh="m", ready=1, desired=2),
        Workload("gateway", "ns", "g", mesh="m", ready=0, desired=0),
    }


def test_a_gateway_in_a_mesh_is_a_node_of_it() -> None:
    nodes, alone = workloads_of([ready(pod(PROXY, envoy()))], {PATH: NODE})
    assert (nodes, alone) == ((Workload("gateway", "ns", "n", mesh="m", ready=1, desired=1),), {})


def test_one_that_is_a_node_by_itself_is_both() -> None:
    native = PROXY | {"env": [{"name": "APPMESH_VIRTUAL_NODE_NAME", "value": PATH}]}
    whole = Workload("gateway", "ns", "n", mesh="m", ready=1, desired=1)
    assert workloads_of([ready(pod(native))], {PATH: NODE}) == ((whole,), {"ns/p": whole})
    # Its node is gone.
    assert workloads_of([pod(native)], {}) == ((), {"ns/p": Workload("gateway", "ns", "p", ready=0, desired=1)})


def test_one_without_a_sidecar_is_its_deployment() -> None:
    owned = ready(pod(PROXY))
    owned["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "kong-kong-5d9f"}]
    nodes, alone = workloads_of([owned, pod(PROXY, name="bare"), pod()], {})
    assert nodes == ()
    assert alone == {
        "ns/p": Workload("gateway", "ns", "kong-kong", ready=1, desired=1),
        "ns/bare": Workload("gateway", "ns", "bare", ready=0, desired=1),
    }
