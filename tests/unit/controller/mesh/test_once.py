"""A cluster's mesh, listed once and compiled."""

from crossfade.controller.mesh.once import compiled_cluster
from crossfade_kube.kubeconfig import ClusterConfig
from tests.support.fake_api import FakeApi, serving

NODES = "/apis/appmesh.k8s.aws/v1beta2/namespaces/prod/virtualnodes"


async def test_what_cannot_be_read_is_told_and_the_rest_compiled() -> None:
    api = FakeApi()
    api.put("/apis/appmesh.k8s.aws/v1beta2/meshes/m", {"metadata": {"name": "m"}, "spec": {"namespaceSelector": {}}})
    good = {"meshRef": {"name": "m"}, "podSelector": {}}
    api.put(f"{NODES}/good", {"metadata": {"namespace": "prod"}, "spec": good})
    api.put(f"{NODES}/bad", {"metadata": {"namespace": "prod"}, "spec": {"listeners": 5}})
    async with serving(api) as url:
        model = await compiled_cluster(ClusterConfig(server=url))
    assert list(model.proxies) == ["mesh/m/virtualNode/good_prod"]
    assert {str(one.ref) for one in model.diagnostics if one.code == "object.unreadable"} == {"VirtualNode prod/bad"}
