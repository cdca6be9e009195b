"""Nodes with `awsCloudMap` in the embedded cluster: registered by their pods, found by attributes, named in DNS."""

import json
from collections.abc import Iterator

import pytest

from tests.support.cluster import EmbeddedCluster
from tests.support.dj import dj_behind_the_gateway
from tests.support.gateway import eventually

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

HOST = "songs.corp.local"


def node(song: str) -> str:
    """Registers the tutorial's pods of that name at the one service of Cloud Map."""
    return f"""
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {{name: songs-{song}, namespace: prod}}
spec:
  podSelector: {{matchLabels: {{app: {song}, version: v1}}}}
  listeners: [{{portMapping: {{port: 9080, protocol: http}}}}]
  serviceDiscovery:
    awsCloudMap: {{namespaceName: corp.local, serviceName: songs, attributes: [{{key: song, value: {song}}}]}}
---
"""


ROUTES = f"""
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualRouter
metadata: {{name: songs, namespace: prod}}
spec:
  listeners: [{{portMapping: {{port: 9080, protocol: http}}}}]
  routes:
    - name: metal
      priority: 1
      httpRoute:
        match: {{prefix: /, headers: [{{name: song, match: {{exact: metal}}}}]}}
        action: {{weightedTargets: [{{virtualNodeRef: {{name: songs-metal}}, weight: 1}}]}}
    - name: jazz
      httpRoute:
        match: {{prefix: /}}
        action: {{weightedTargets: [{{virtualNodeRef: {{name: songs-jazz}}, weight: 1}}]}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {{name: songs, namespace: prod}}
spec: {{awsName: {HOST}, provider: {{virtualRouter: {{virtualRouterRef: {{name: songs}}}}}}}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with dj_behind_the_gateway(tmp_path_factory.mktemp("cloud-map")) as running:
        running.kubectl("apply", "-f", "-", stdin=node("jazz") + node("metal") + ROUTES)
        dj = json.loads(running.kubectl("get", "virtualnode", "dj", "-n", "prod", "-o", "json"))
        backends = [*dj["spec"]["backends"], {"virtualService": {"virtualServiceRef": {"name": "songs"}}}]
        change = json.dumps({"spec": {"backends": backends}})
        running.kubectl("patch", "virtualnode", "dj", "-n", "prod", "--type=merge", "-p", change)
        yield running


def from_dj(cluster: EmbeddedCluster, host: str, *options: str) -> str:
    command = ("exec", "-n", "prod", "deploy/dj", "-c", "dj", "--", "curl", "-s", *options, f"http://{host}:9080/")
    return cluster.kubectl(*command)


def from_itself(cluster: EmbeddedCluster, deployment: str) -> str:
    """Past the mesh, whose routes give each song's second version its share."""
    command = ("exec", "-n", "prod", f"deploy/{deployment}", "-c", deployment.removesuffix("-v1"), "--")
    return cluster.kubectl(*command, "curl", "-s", "http://127.0.0.1:9080/")


def test_one_service_has_two_nodes_that_attributes_tell_apart(cluster: EmbeddedCluster) -> None:
    songs = {song: from_itself(cluster, f"{song}-v1") for song in ("jazz", "metal")}
    assert songs["jazz"] != songs["metal"]
    eventually(lambda: from_dj_or_nothing(cluster) == songs["jazz"])
    assert {from_dj(cluster, HOST, "-H", "song: metal") for _ in range(5)} == {songs["metal"]}
    assert {from_dj(cluster, HOST) for _ in range(5)} == {songs["jazz"]}


def from_dj_or_nothing(cluster: EmbeddedCluster) -> str:
    """The name may not be there yet."""
    return from_dj(cluster, HOST, "--retry", "3", "--retry-all-errors", "-m", "2")


def test_instances_and_names_follow_pods(cluster: EmbeddedCluster) -> None:
    def addresses() -> set[str]:
        selector = "kubernetes.io/service-name=songs--corp-local"
        found = cluster.kubectl("get", "endpointslices", "-n", "appmesh-system", "-l", selector, "-o", "json")
        items = json.loads(found)["items"]
        return {address for item in items for one in item["endpoints"] for address in one["addresses"]}

    def pods() -> set[str]:
        """Of both nodes, those that are there to stay."""
        items = json.loads(cluster.kubectl("get", "pods", "-n", "prod", "-l", "version=v1", "-o", "json"))["items"]
        own = [item for item in items if item["metadata"]["labels"]["app"] in ("jazz", "metal")]
        return {item["status"]["podIP"] for item in own if "deletionTimestamp" not in item["metadata"]}

    eventually(lambda: addresses() == pods())
    before = addresses()
    cluster.kubectl("scale", "-n", "prod", "deployment/metal-v1", "--replicas=0")
    eventually(lambda: addresses() == pods() and len(addresses()) == len(before) - 1)

    # What is in use is not deleted.
    used = [("virtualservice", "songs"), ("virtualrouter", "songs"), ("virtualnode", "songs-jazz")]
    for kind, name in [*used, ("virtualnode", "songs-metal")]:
        cluster.kubectl("delete", kind, name, "-n", "prod")
    eventually(lambda: not addresses())
