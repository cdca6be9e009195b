"""From one version of the charts to the next and back, with a real Helm on the embedded cluster."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from crossfade import __version__
from tests.support.admissions import pods_admitted
from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.gateway import eventually
from tests.support.helm import CHARTS, helm, helm_program

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.envoy,
    pytest.mark.skipif(helm_program() is None, reason="there is no Helm; `make test-charts` builds one"),
]
FORMER: Final = "0.0.9"
MESH: Final = """
apiVersion: v1
kind: Namespace
metadata: {name: prod, labels: {mesh: m, appmesh.k8s.aws/sidecarInjectorWebhook: enabled}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: Mesh
metadata: {name: m}
spec: {namespaceSelector: {matchLabels: {mesh: m}}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: jazz, namespace: prod}
spec: {podSelector: {matchLabels: {app: jazz}}}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with embedded_cluster(tmp_path_factory.mktemp("upgrade") / "data", "--bare") as started:
        yield started


class Release:
    """Of a chart, first in its former version."""

    def __init__(self, cluster: EmbeddedCluster, namespace: str, name: str, chart: str, folder: Path) -> None:
        self.cluster = cluster
        self._scope = ("-n", namespace, name)
        self._former = folder / chart
        self._current = CHARTS / chart
        shutil.copytree(self._current, self._former)
        about = self._former / "Chart.yaml"
        text = about.read_text()
        assert text.count(__version__) == 2
        about.write_text(text.replace(__version__, FORMER))

    def _helm(self, verb: str, *arguments: str) -> str:
        environment = {"KUBECONFIG": str(self.cluster.kubeconfig)}
        return helm(verb, *self._scope, *arguments, environment=environment, within_s=120)

    def install(self, *values: str) -> None:
        self._helm("install", str(self._former), "--create-namespace", "--wait", *(f"--set={one}" for one in values))

    def upgrade(self) -> None:
        self._helm("upgrade", str(self._current), "--reset-then-reuse-values", "--wait")

    def roll_back(self) -> None:
        self._helm("rollback", "1", "--wait")

    def test(self) -> None:
        self._helm("test")

    def pod(self) -> Any:
        """The spec of the Deployment's pods."""
        _, namespace, _ = self._scope
        found = json.loads(self.cluster.kubectl("get", "deployments", "-n", namespace, "-o", "json"))["items"]
        (deployment,) = found
        assert deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"]
        return deployment["spec"]["template"]["spec"]


def versions(pod: Any) -> set[str]:
    return {container["image"].rpartition(":")[2] for container in pod["containers"]}


def variable(pod: Any, name: str) -> str | None:
    entries = [entry for container in pod["containers"] for entry in container["env"] if entry["name"] == name]
    return entries[0]["value"] if entries else None


@pytest.mark.timeout(300)
def test_a_gateway_keeps_its_values_there_and_back(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    release = Release(cluster, "kong", "kong", "kong", tmp_path)
    release.install("ingressController.installCRDs=false", "env.trusted_ips=10.0.0.0/8")
    assert (versions(release.pod()), variable(release.pod(), "KONG_TRUSTED_IPS")) == ({FORMER}, "10.0.0.0/8")
    release.upgrade()
    release.test()
    assert (versions(release.pod()), variable(release.pod(), "KONG_TRUSTED_IPS")) == ({__version__}, "10.0.0.0/8")
    release.roll_back()
    release.test()
    assert (versions(release.pod()), variable(release.pod(), "KONG_TRUSTED_IPS")) == ({FORMER}, "10.0.0.0/8")


@pytest.mark.timeout(300)
def test_no_pod_is_refused_while_the_mesh_is_upgraded(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    def is_alone() -> bool:
        return len(cluster.kubectl("get", "pods", "-n", "appmesh-system", "-o", "name").split()) == 1

    release = Release(cluster, "appmesh-system", "appmesh-controller", "appmesh-controller", tmp_path)
    release.install("region=eu-west-1")
    cluster.kubectl("apply", "-f", "-", stdin=MESH)
    labels = {"app": "jazz"}
    with pods_admitted(cluster.kubeconfig, "prod", labels) as admissions:
        release.upgrade()
        eventually(is_alone, within_s=60)
        assert (versions(release.pod()), variable(release.pod(), "AWS_REGION")) == ({__version__}, "eu-west-1")
        release.test()
        release.roll_back()
        eventually(is_alone, within_s=60)
    assert versions(release.pod()) == {FORMER}
    assert admissions.lost == {}
    assert admissions.sent > 100
