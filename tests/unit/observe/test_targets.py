"""Which proxies a cluster has."""

from typing import Any

import pytest

from crossfade.observe.targets import CONSUMERS_PATH, GATEWAY_PATH, MESH_PATH, SIDECAR_PATH, Target, targets_of
from crossfade.observe.urls import target_of


def pod(*containers: dict[str, Any], phase: str = "Running", **metadata: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "namespace": "ns", **metadata},
        "spec": {"containers": list(containers)},
        "status": {"podIP": "10.0.0.1", "phase": phase},
    }


def envoy(**variables: str) -> dict[str, Any]:
    given = {"APPMESH_RESOURCE_ARN": "mesh/m/virtualNode/n", **variables}
    return {"name": "envoy", "env": [{"name": name, "value": value} for name, value in given.items()]}


PROXY = {"name": "proxy", "ports": [{"name": "http", "containerPort": 80}, {"name": "status", "containerPort": 8100}]}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pod(envoy()), [Target("sidecar", "ns/p", 9901, SIDECAR_PATH)]),
        (pod(envoy(ENVOY_ADMIN_ACCESS_PORT="9999")), [Target("sidecar", "ns/p", 9999, SIDECAR_PATH)]),
        (pod(envoy(CROSSFADE_MESH_METRICS="off")), [Target("sidecar", "ns/p", 9901, SIDECAR_PATH, True)]),
        (pod(PROXY), [Target("gateway", "ns/p", 8100, GATEWAY_PATH)]),
        (pod(envoy(), phase="Succeeded"), []),
        (pod(envoy(), deletionTimestamp="2026-01-01T00:00:00Z"), []),
        (pod({"name": "envoy"}), []),
        (pod({"name": "app", "ports": [{"name": "status", "containerPort": 1}]}), []),
        ({"metadata": {"name": "p"}}, []),
    ],
)
def test_proxies_are_known_by_their_containers(found: dict[str, Any], expected: list[Target]) -> None:
    assert targets_of([found]) == expected


def test_a_gateway_in_a_mesh_has_two() -> None:
    both = targets_of([pod(PROXY, envoy())], with_consumers=True)
    assert [(one.kind, one.path) for one in both] == [("gateway", CONSUMERS_PATH), ("sidecar", SIDECAR_PATH)]


@pytest.mark.parametrize("is_off", [False, True])
def test_so_has_one_that_is_a_node_by_itself(is_off: bool) -> None:
    variables = {"APPMESH_VIRTUAL_NODE_NAME": "mesh/m/virtualNode/n"} | (
        {"CROSSFADE_MESH_METRICS": "off"} if is_off else {}
    )
    native = PROXY | {"env": [{"name": name, "value": value} for name, value in variables.items()]}
    assert targets_of([pod(native)]) == [
        Target("gateway", "ns/p", 8100, GATEWAY_PATH),
        Target("sidecar", "ns/p", 8100, MESH_PATH, is_off),
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:8100", "127.0.0.1:8100", "http://127.0.0.1:8100/metrics"])
def test_a_gateway_alone_is_known_by_its_address(url: str) -> None:
    assert target_of(url) == Target("gateway", "http://127.0.0.1:8100", path=GATEWAY_PATH)


@pytest.mark.parametrize("url", ["", "ftp://a", "http://", "http://a\x1b[2J"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError):
        target_of(url)
