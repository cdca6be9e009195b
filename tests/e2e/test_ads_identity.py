"""Whom the mesh's control plane tells what, asked by a client that is no Envoy."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest

from crossfade.envoy.proto import discovery_v3
from crossfade.envoy.resource_set import ResourceType
from crossfade.inject.settings import TOKEN_AUDIENCE
from crossfade.xds.server import SERVICE
from tests.support.cluster import EmbeddedCluster
from tests.support.dj import dj_behind_the_gateway

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

ANSWER_S = 10.0
CONTROL_PLANE = "appmesh-system"
# What a pod looks like that pretends to be a sidecar: injected into nothing, it names a node of namespace prod itself.
IMPOSTOR = """
apiVersion: v1
kind: Namespace
metadata: {name: foreign}
---
apiVersion: v1
kind: Pod
metadata: {name: impostor, namespace: foreign}
spec:
  containers:
    - name: envoy
      image: crossfade/djapp:v1
      env: [{name: APPMESH_VIRTUAL_NODE_NAME, value: mesh/dj-app/virtualNode/jazz-v1_prod}]
---
apiVersion: v1
kind: Pod
metadata: {name: bystander, namespace: foreign}
spec:
  containers: [{name: app, image: "crossfade/djapp:v1"}]
"""


class Refused(NamedTuple):
    code: grpc.StatusCode
    text: str


class ControlPlane(NamedTuple):
    cluster: EmbeddedCluster
    port: int
    name: str
    ca_pem: bytes

    def clusters(self, *metadata: tuple[str, str], node: str = "prod/somebody") -> set[str] | Refused:
        """The names of all clusters of whoever asks. Opens a connection of its own."""
        options = [("grpc.ssl_target_name_override", self.name)]
        credentials = grpc.ssl_channel_credentials(self.ca_pem)
        with grpc.secure_channel(f"127.0.0.1:{self.port}", credentials, options) as channel:
            return _clusters(channel, metadata, node)

    def clusters_in_clear(self, *metadata: tuple[str, str]) -> set[str] | Refused:
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            return _clusters(channel, metadata, "prod/somebody")

    def token(self, namespace: str, *, pod: str | None = None, audience: str = TOKEN_AUDIENCE) -> str:
        """Of the namespace's default service account."""
        bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}") if pod else ()
        command = ("create", "token", "default", "-n", namespace, f"--audience={audience}", *bound)
        return self.cluster.kubectl(*command).strip()

    def pod(self, app: str) -> str:
        names = self.cluster.kubectl("get", "pods", "-n", "prod", "-l", app, "-o", "name").split()
        return names[0].removeprefix("pod/")


def _clusters(channel: grpc.Channel, metadata: tuple[tuple[str, str], ...], node: str) -> set[str] | Refused:
    request = discovery_v3.DeltaDiscoveryRequest(type_url=ResourceType.CLUSTER)
    request.node.id = node
    call = channel.stream_stream(
        f"/{SERVICE}/DeltaAggregatedResources",
        request_serializer=discovery_v3.DeltaDiscoveryRequest.SerializeToString,
        response_deserializer=discovery_v3.DeltaDiscoveryResponse.FromString,
    )(iter([request]), metadata=metadata, timeout=ANSWER_S)
    try:
        return {resource.name for resource in next(call).resources}
    except grpc.RpcError as error:
        return Refused(error.code(), error.details() or "")


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with dj_behind_the_gateway(tmp_path_factory.mktemp("identity")) as cluster:
        cluster.kubectl("apply", "-f", "-", stdin=IMPOSTOR)
        cluster.kubectl("wait", "--for=condition=Ready", "pod", "--all", "-n", "foreign", "--timeout=30s")
        (pod, *_) = json.loads(cluster.kubectl("get", "pods", "-n", "prod", "-o", "json"))["items"]
        (sidecar,) = [one for one in pod["spec"]["initContainers"] if one["name"] == "envoy"]
        environment = {one["name"]: one.get("value", "") for one in sidecar["env"]}
        host, _, port = environment["CROSSFADE_ADS_ADDRESS"].rpartition(":")
        assert port == "18000"
        with forwarded(cluster, port) as local_port:
            yield ControlPlane(cluster, local_port, host, environment["CROSSFADE_ADS_CA"].encode())


@contextmanager
def forwarded(cluster: EmbeddedCluster, port: str) -> Iterator[int]:
    command = [str(Path(sys.executable).parent / "kubectl"), "port-forward", "-n", CONTROL_PLANE]
    process = subprocess.Popen(
        [*command, "service/appmesh-controller-ads", f":{port}"],
        env=dict(os.environ, KUBECONFIG=str(cluster.kubeconfig)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", line)
            assert found, line
            yield int(found[1])
        finally:
            process.kill()


def test_sidecar_gets_what_is_its_own_whatever_it_calls_itself(control_plane: ControlPlane) -> None:
    jazz, dj = control_plane.pod("app=jazz,version=v1"), control_plane.pod("app=dj")
    of_dj = control_plane.clusters(bearer(control_plane.token("prod", pod=dj)), node=f"prod/{dj}")
    as_dj = control_plane.clusters(bearer(control_plane.token("prod", pod=jazz)), node=f"prod/{dj}")
    assert not isinstance(of_dj, Refused)
    assert not isinstance(as_dj, Refused)
    assert any("jazz-v2" in name for name in of_dj), of_dj
    assert as_dj
    assert not any("jazz-v2" in name for name in as_dj), as_dj


def test_without_tls_nothing_is_said(control_plane: ControlPlane) -> None:
    good = bearer(control_plane.token("prod", pod=control_plane.pod("app=dj")))
    answer = control_plane.clusters_in_clear(good)
    assert isinstance(answer, Refused)
    assert answer.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    "metadata",
    [(), (("authorization", ""),), (("authorization", "Bearer "),), (("authorization", "Basic cm9vdDpyb290"),)],
)
def test_without_token(control_plane: ControlPlane, metadata: tuple[tuple[str, str], ...]) -> None:
    expected = Refused(grpc.StatusCode.UNAUTHENTICATED, "a bearer token is needed")
    assert control_plane.clusters(*metadata) == expected


def test_invalid_token(control_plane: ControlPlane) -> None:
    good = control_plane.token("prod", pod=control_plane.pod("app=dj"))
    head, payload, signature = good.split(".")
    changed = ("B" if signature[0] == "A" else "A") + signature[1:]
    expected = Refused(grpc.StatusCode.UNAUTHENTICATED, "the token is not one of a service account, or no longer valid")
    for token in ("nonsense", f"{head}.{payload}.{changed}", f"{head}.{payload}.", f"eyJhbGciOiJub25lIn0.{payload}."):
        assert control_plane.clusters(bearer(token)) == expected


def test_token_of_another_audience(control_plane: ControlPlane) -> None:
    """Also the one that every pod has, for the API server."""
    dj = control_plane.pod("app=dj")
    mounted = "cat /var/run/secrets/kubernetes.io/serviceaccount/token"
    for_api = control_plane.cluster.kubectl("exec", "-n", "prod", dj, "-c", "dj", "--", "sh", "-c", mounted).strip()
    assert for_api.count(".") == 2
    for token in (for_api, control_plane.token("prod", pod=dj, audience="vault")):
        answer = control_plane.clusters(bearer(token))
        assert isinstance(answer, Refused)
        assert answer.code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("pod", "text"),
    [
        ("impostor", "mesh/dj-app/virtualNode/jazz-v1_prod does not belong to the pod's namespace"),
        ("bystander", "the pod has no sidecar of this mesh"),
        (None, "the token is not bound to a pod"),
    ],
)
def test_foreign_pod(control_plane: ControlPlane, pod: str | None, text: str) -> None:
    token = control_plane.token("foreign", pod=pod)
    expected = Refused(grpc.StatusCode.UNAUTHENTICATED, text)
    assert control_plane.clusters(bearer(token), node="prod/jazz-v1") == expected


def test_token_of_a_pod_that_is_gone(control_plane: ControlPlane) -> None:
    gone = control_plane.pod("app=dj")
    token = control_plane.token("prod", pod=gone)
    assert not isinstance(control_plane.clusters(bearer(token)), Refused)
    control_plane.cluster.kubectl("delete", "pod", "-n", "prod", gone, "--timeout=60s")
    answer = control_plane.clusters(bearer(token))
    assert isinstance(answer, Refused)
    assert answer.code is grpc.StatusCode.UNAUTHENTICATED
