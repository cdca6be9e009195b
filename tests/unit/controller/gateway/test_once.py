"""A cluster's objects, listed once and compiled."""

from crossfade.compile.gateway.compiler import INPUT_KINDS
from crossfade.compile.gateway.settings import CompileSettings
from crossfade.controller.gateway.once import compiled_cluster
from crossfade_kube.kubeconfig import ClusterConfig
from tests.support.fake_api import FakeApi, serving

INGRESSES = "/apis/networking.k8s.io/v1/namespaces/prod/ingresses"


async def test_what_cannot_be_read_is_told_and_the_rest_compiled() -> None:
    api = FakeApi()
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"http": {"paths": [{"path": "/a", "pathType": "Prefix", "backend": backend}]}}
    spec = {"ingressClassName": "kong", "rules": [rule]}
    api.put(f"{INGRESSES}/good", {"metadata": {"namespace": "prod"}, "spec": spec})
    api.put(f"{INGRESSES}/bad", {"metadata": {"namespace": "prod"}, "spec": {"rules": 5}})
    async with serving(api) as url:
        compiled = await compiled_cluster(ClusterConfig(server=url), CompileSettings())
    assert [str(row.origin.ref) for row in compiled.model.gateway.routes] == ["Ingress prod/good"]
    assert {str(each.ref) for each in compiled.diagnostics if each.code == "object.unreadable"} == {"Ingress prod/bad"}
    assert len(api.requests) == len(INPUT_KINDS)
