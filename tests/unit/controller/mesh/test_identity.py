from typing import Any

import pytest

from crossfade.compile.mesh import MeshModel
from crossfade.controller.mesh.identity import (
    PodIdentity,
    check_ownership,
    pod_identity,
    resource_path,
)
from crossfade.xds.auth import NotAuthenticatedError
from crossfade_kube.meta import ObjectRef

PATH = "mesh/dj-app/virtualNode/jazz_prod"
NODE = ObjectRef("appmesh.k8s.aws/v1beta2", "VirtualNode", "prod", "jazz")
EXTRA = {"authentication.kubernetes.io/pod-name": ["jazz-1"], "authentication.kubernetes.io/pod-uid": ["u1"]}
USER = {"username": "system:serviceaccount:prod:default", "extra": EXTRA}
POD: dict[str, Any] = {
    "metadata": {"uid": "u1"},
    "spec": {
        "containers": [
            {"name": "app"},
            {"name": "envoy", "env": [{"name": "APPMESH_VIRTUAL_NODE_NAME", "value": PATH}]},
        ]
    },
}
REVIEWED = {"authenticated": True, "user": USER, "audiences": ["crossfade-mesh"]}
IDENTITY = PodIdentity("prod", "jazz-1", "u1")


def test_a_bound_token_names_its_pod() -> None:
    assert pod_identity(REVIEWED) == IDENTITY


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({}, "no longer valid"),
        ({"authenticated": False, "user": USER}, "no longer valid"),
        ({"authenticated": True, "user": {**USER, "username": "admin"}}, "not one of a service account"),
        ({**REVIEWED, "user": {**USER, "extra": {}}}, "not bound to a pod"),
        ({**REVIEWED, "audiences": ["https://kubernetes.default.svc"]}, "not for the audience"),
        ({"authenticated": True, "user": USER}, "not for the audience"),
    ],
)
def test_other_tokens_are_refused(status: dict[str, Any], text: str) -> None:
    with pytest.raises(NotAuthenticatedError, match=text):
        pod_identity(status)


def test_the_injected_path_counts() -> None:
    assert resource_path(POD, IDENTITY) == PATH


def test_the_proxy_of_a_gateway_without_a_sidecar_speaks_for_its_node() -> None:
    proxy = {**POD["spec"]["containers"][1], "name": "proxy"}
    spec = {"containers": [{"name": "ingress-controller"}, proxy]}
    metadata = {"uid": "u1", "annotations": {"crossfade.dev/mesh-native": "true"}}
    assert resource_path({"metadata": metadata, "spec": spec}, IDENTITY) == PATH
    with pytest.raises(NotAuthenticatedError, match="no sidecar"):
        resource_path({"metadata": {"uid": "u1"}, "spec": spec}, IDENTITY)


def test_a_native_sidecar_is_one_of_the_init_containers() -> None:
    app, envoy = POD["spec"]["containers"]
    assert resource_path({**POD, "spec": {"containers": [app], "initContainers": [envoy]}}, IDENTITY) == PATH


def test_a_successor_of_the_pod_is_another_pod() -> None:
    with pytest.raises(NotAuthenticatedError, match="does not exist any more"):
        resource_path(POD, IDENTITY._replace(uid="u0"))


def test_a_pod_without_sidecar_gets_nothing() -> None:
    with pytest.raises(NotAuthenticatedError, match="no sidecar"):
        resource_path({**POD, "spec": {"containers": [{"name": "app"}]}}, IDENTITY)


def test_a_pod_speaks_only_for_nodes_of_its_namespace() -> None:
    model = MeshModel({}, {PATH: NODE}, {}, ())
    check_ownership(PATH, "prod", model)
    with pytest.raises(NotAuthenticatedError, match="does not belong"):
        check_ownership(PATH, "other", model)
    with pytest.raises(NotAuthenticatedError, match="not known"):
        check_ownership("mesh/x/virtualNode/y", "prod", model)
    with pytest.raises(NotAuthenticatedError, match="not known"):
        check_ownership(PATH, "prod", None)
