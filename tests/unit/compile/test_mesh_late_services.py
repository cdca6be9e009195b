"""A Service that is seen after the virtual node that it stands behind.

Envoy (1.40) that is starting waits for ever for a cluster that it was told to resolve by DNS and, before it had an
answer, to take from EDS. So what a name is does not depend on whether its Service has been seen.
"""

from typing import Any

import pytest

from crossfade.api.appmesh import Mesh, VirtualNode, VirtualService
from crossfade.compile.mesh import ArnScope, compile_mesh
from crossfade.compile.model import Cluster, Discovery
from crossfade.store.snapshot import Snapshot
from crossfade_kube.core import Service
from crossfade_kube.registry import TypedObject, decode

SERVICE = decode({"metadata": {"name": "jazz", "namespace": "prod"}, "spec": {"ports": [{"port": 80}]}}, Service)


def clusters(hostname: str, *seen: Service) -> tuple[Cluster, ...]:
    """Of a node that calls another one by that host name."""
    mesh = {"meshRef": {"name": "m"}}

    def member(kind: type[TypedObject], name: str, **spec: Any) -> TypedObject:
        return decode({"metadata": {"name": name, "namespace": "prod"}, "spec": {**mesh, **spec}}, kind)

    listeners = [{"portMapping": {"port": 80, "protocol": "http"}}]
    backends = [{"virtualService": {"virtualServiceRef": {"name": "jazz"}}}]
    objects = [
        decode({"metadata": {"name": "m"}}, Mesh),
        member(VirtualNode, "jazz", listeners=listeners, serviceDiscovery={"dns": {"hostname": hostname}}),
        member(VirtualService, "jazz", provider={"virtualNode": {"virtualNodeRef": {"name": "jazz"}}}),
        member(VirtualNode, "dj", backends=backends),
    ]
    return compile_mesh(Snapshot.of([*objects, *seen]), ArnScope()).proxies["mesh/m/virtualNode/dj_prod"].clusters


@pytest.mark.parametrize("name", ["jazz.prod.svc.cluster.local", "jazz.prod.svc.cluster.local.", "JAZZ.prod.svc"])
def test_a_full_name_means_endpoints_from_the_beginning(name: str) -> None:
    assert clusters(name) == clusters(name, SERVICE)
    assert Discovery.EDS in {cluster.discovery for cluster in clusters(name)}


@pytest.mark.parametrize("name", ["jazz.prod", "jazz.example.com", "web-0.jazz.prod.svc.cluster.local"])
def test_what_may_be_anybodys_name_is_resolved(name: str) -> None:
    found = {cluster.discovery for cluster in clusters(name)}
    assert Discovery.LOGICAL_DNS in found
    assert Discovery.EDS not in found
