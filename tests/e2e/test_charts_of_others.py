"""The charts that people have already, as Helm renders them, on the embedded cluster: nothing in them is changed."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from crossfade.install.gateway import gateway_crds
from crossfade.install.mesh import mesh_crds
from tests.support.cluster import EmbeddedCluster, embedded_cluster
from tests.support.polling import eventually

pytestmark = pytest.mark.cluster

CHARTS = Path(__file__).parent / "charts"
APPLICATION = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 9080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "crossfade/djapp:v1"}]}
---
apiVersion: extensions/v1beta1
kind: Ingress
metadata: {name: web, annotations: {kubernetes.io/ingress.class: kong}}
spec: {rules: [{http: {paths: [{path: /, backend: {serviceName: web, servicePort: 80}}]}}]}
"""
MESH = """\
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
spec:
  podSelector: {matchLabels: {app: jazz}}
  listeners: [{portMapping: {port: 9080, protocol: http}}]
  serviceDiscovery: {dns: {hostname: jazz.prod.svc.cluster.local}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: jazz, namespace: prod}
spec:
  selector: {matchLabels: {app: jazz}}
  template:
    metadata: {labels: {app: jazz}}
    spec: {containers: [{name: app, image: "crossfade/djapp:v1"}]}
"""
WRONG_PLUGIN = """\
apiVersion: configuration.konghq.com/v1
kind: KongPlugin
metadata: {name: wrong}
plugin: key-auth
config: {nonsense: 1}
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    with embedded_cluster(tmp_path_factory.mktemp("charts") / "data", "--bare") as running:
        running.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(gateway_crds()))
        running.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(mesh_crds()))
        for namespace in ("kong", "appmesh-system"):
            running.kubectl("create", "namespace", namespace)
        # All at once: they are probed only after some seconds.
        for chart in ("appmesh-controller-1.13.3", "kong-1.11.0"):
            running.kubectl("apply", "--server-side", "-f", str(CHARTS / f"{chart}.yaml"))
        running.kubectl("apply", "-f", "-", stdin=APPLICATION)
        yield running


def answer(cluster: EmbeddedCluster) -> tuple[int, str]:
    """Status and `Via`; 0 while nothing answers."""
    try:
        with urllib.request.urlopen(f"{cluster.gateway_url}/", timeout=5) as found:
            return found.status, found.headers.get("Via") or ""
    except urllib.error.HTTPError as refused:
        return refused.code, ""
    except OSError:
        return 0, ""


def test_app_meshs_chart(cluster: EmbeddedCluster) -> None:
    """No TokenReview, no Secrets, no Service for ADS: its sidecars are configured all the same."""
    cluster.kubectl("-n", "appmesh-system", "rollout", "status", "deploy/appmesh-controller", "--timeout=60s")
    eventually(lambda: can_apply(cluster, MESH))
    cluster.kubectl("-n", "prod", "rollout", "status", "deploy/jazz", "--timeout=60s")
    pods = json.loads(cluster.kubectl("-n", "prod", "get", "pods", "-o", "json"))["items"]
    assert {one["name"] for pod in pods for one in pod["status"]["containerStatuses"] if one["ready"]} >= {"app"}
    node = ("-n", "prod", "get", "virtualnode", "jazz", "-o", "jsonpath={.status.conditions[*].type}")
    eventually(lambda: "VirtualNodeActive" in cluster.kubectl(*node))
    log = cluster.kubectl("-n", "appmesh-system", "logs", "deploy/appmesh-controller")
    assert log.count("tokens.review-forbidden") == 1, "a sidecar has come, and its token was checked by keys"


def can_apply(cluster: EmbeddedCluster, text: str) -> bool:
    """Not before the controller answers its webhooks: the chart has no readiness probe."""
    with suppress(subprocess.CalledProcessError):
        cluster.kubectl("apply", "-f", "-", stdin=text)
        return True
    return False


def test_kongs_chart_of_2020(cluster: EmbeddedCluster) -> None:
    """Its RBAC is of v1beta1 and knows neither EndpointSlices nor Leases; it is probed on port 9542."""
    cluster.kubectl("-n", "kong", "rollout", "status", "deploy/kong-kong", "--timeout=60s")
    eventually(lambda: answer(cluster) == (200, "kong/2.1.4"))
    eventually(lambda: "127.0.0.1" in cluster.kubectl("get", "ingress", "web", "-o", "jsonpath={.status}"))
    proxy = ("-n", "kong", "exec", "deploy/kong-kong", "-c", "proxy", "--")
    assert "Kong is healthy at /kong_prefix" in cluster.kubectl(*proxy, "/bin/sh", "-c", "kong health")
    log = cluster.kubectl("-n", "kong", "logs", "deploy/kong-kong", "-c", "ingress-controller")
    assert log.count("resource=endpointslices") == 1
    assert log.count('instead="ConfigMap kong-ingress-controller-leader-kong-kong"') == 1
    assert log.count("resource=ingresses") == 1


def test_kongs_chart_of_today_takes_over(cluster: EmbeddedCluster) -> None:
    """The same release: read-only roots, an init container that calls rm, a webhook whose keys are mounted."""
    cluster.kubectl("apply", "--server-side", "-f", str(CHARTS / "kong-3.4.1.yaml"))
    cluster.kubectl("-n", "kong", "rollout", "status", "deploy/kong-kong", "--timeout=60s")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        cluster.kubectl("apply", "-f", "-", stdin=WRONG_PLUGIN)
    assert "config.nonsense: unknown field" in refused.value.stderr
    eventually(lambda: answer(cluster) == (200, "1.1 kong/3.9.1"))
    pods = json.loads(cluster.kubectl("-n", "kong", "get", "pods", "-o", "json", "-l", "version=3.9"))["items"]
    assert [status["restartCount"] for pod in pods for status in pod["status"]["containerStatuses"]] == [0, 0]
