"""App Mesh's walkthroughs of TLS from files, one-sided and mutual, in a cluster: probed pods behind strict ports."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from crossfade_kube import yaml_texts
from tests.support.cluster import crossfade
from tests.support.gateway import eventually
from tests.support.mesh_lab import NAMESPACE, SOON_S, Cell, MeshLab, client_pod, mesh_lab
from tests.support.tls import Pair, issue

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

Json = dict[str, Any]
FILES = {"file": {"certificateChain": "/certs/tls.crt", "privateKey": "/certs/tls.key"}}
TRUST = {"trust": {"file": {"certificateChain": "/certs/ca.crt"}}}
MUTUAL = {**TRUST, "subjectAlternativeNames": {"match": {"exact": ["front.example.com"]}}}
MOUNTS = "appmesh.k8s.aws/secretMounts"
BLUE = Cell("blue", tls={"mode": "STRICT", "certificate": FILES}, annotations={MOUNTS: "blue-tls:/certs"})
GREEN = Cell(
    "green",
    tls={"mode": "STRICT", "certificate": FILES, "validation": MUTUAL},
    annotations={MOUNTS: "green-tls:/certs"},
)
RED = Cell("red")
# Its probe is one of gRPC.
LIME = Cell("lime", protocol="grpc", tls=BLUE.tls, annotations={MOUNTS: "lime-tls:/certs"})
ARN = "arn:aws:acm:us-west-2:123456789012:certificate/1"
ACM = Cell("acm", tls={"mode": "STRICT", "certificate": {"acm": {"certificateARN": ARN}}})
CELLS = (BLUE, GREEN, RED, LIME)


def secret(name: str, pair: Pair, authority: Pair) -> Json:
    data = {"tls.crt": pair.certificate_pem, "tls.key": pair.key_pem, "ca.crt": authority.certificate_pem}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def node_host(cell: Cell) -> str:
    return f"{cell.name}-v1.{NAMESPACE}.svc.cluster.local"


def front(certificate: Json | None = FILES) -> Json:
    policy = {"tls": {"validation": TRUST, **({"certificate": certificate} if certificate else {})}}
    return {
        "apiVersion": "appmesh.k8s.aws/v1beta2",
        "kind": "VirtualNode",
        "metadata": {"name": "client", "namespace": NAMESPACE},
        "spec": {
            "podSelector": {"matchLabels": {"app": "client"}},
            "backends": [{"virtualService": {"virtualServiceRef": {"name": cell.name}}} for cell in CELLS],
            "backendDefaults": {"clientPolicy": policy},
        },
    }


@pytest.fixture(scope="module")
def lab() -> Iterator[MeshLab]:
    with mesh_lab() as running:
        authority = issue("authority")
        running.apply(
            *(
                secret(f"{cell.name}-tls", issue(cell.name, authority, hosts=(node_host(cell),)), authority)
                for cell in CELLS
            ),
            secret("front-tls", issue("front", authority, hosts=("front.example.com",)), authority),
        )
        # Returns when all pods are Ready: their probes have got through.
        running.deploy(*CELLS)
        running.apply(front())
        inside = client_pod("front", {"name": "main", "image": "shell:1"})
        inside["metadata"]["annotations"] = {MOUNTS: "front-tls:/certs"}
        outside = client_pod("outside", {"name": "main", "image": "shell:1"})
        outside["metadata"] |= {"labels": {}, "annotations": {"appmesh.k8s.aws/sidecarInjectorWebhook": "disabled"}}
        running.apply(inside, outside)
        running.kubectl("wait", "pod/front", "pod/outside", "--for=condition=Ready", "--timeout=60s")
        yield running


def status_in(lab: MeshLab, pod: str, url: str, *more: str) -> str:
    """000: no answer."""
    script = f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' {' '.join(more)} {url} || true"
    return lab.kubectl("exec", pod, "-c", "main", "--", "sh", "-c", script)


def test_callers_of_the_mesh_reach_strict_nodes_and_no_others(lab: MeshLab) -> None:
    eventually(lambda: status_in(lab, "front", f"http://{BLUE.host}:{BLUE.port}/") == "200", within_s=SOON_S)
    # Offers no TLS, which the policy demands.
    assert status_in(lab, "front", f"http://{RED.host}:{RED.port}/") == "503"


def test_outside_of_the_mesh_plain_text_is_refused_and_tls_taken(lab: MeshLab) -> None:
    where = f"{node_host(BLUE)}:{BLUE.port}"
    assert status_in(lab, "outside", f"http://{where}/") == "000"
    assert status_in(lab, "outside", f"https://{where}/", "-k") == "200"
    assert status_in(lab, "outside", f"http://{node_host(RED)}:{RED.port}/") == "200"


def test_a_node_that_asks_for_certificates_takes_those_of_its_callers_only(lab: MeshLab) -> None:
    url = f"http://{GREEN.host}:{GREEN.port}/"
    eventually(lambda: status_in(lab, "front", url) == "200", within_s=SOON_S)
    outside = f"https://{node_host(GREEN)}:{GREEN.port}/"
    assert status_in(lab, "outside", outside, "-k") == "000"
    lab.apply(front(certificate=None))
    eventually(lambda: status_in(lab, "front", url) == "503", within_s=SOON_S)
    lab.apply(front())
    eventually(lambda: status_in(lab, "front", url) == "200", within_s=SOON_S)


def test_probed_paths_are_all_that_a_probe_port_gives(lab: MeshLab) -> None:
    pod = lab.kubectl("get", "pods", "-l", f"app={BLUE.name}-v1", "-o", "jsonpath={.items[0].status.podIP}")
    assert status_in(lab, "outside", f"http://{pod}:15021/") == "200"
    assert status_in(lab, "outside", f"http://{pod}:15021/other") == "404"
    assert status_in(lab, "outside", f"http://{pod}:15021/", "-X", "POST") == "404"


def test_a_secret_of_the_cluster_stands_for_a_certificate_of_acm(lab: MeshLab) -> None:
    lab.apply(*(json.loads(text) for text in _permission()))
    lab.kubectl("rollout", "restart", "-n", "appmesh-system", "deployment/appmesh-controller")
    lab.kubectl("rollout", "status", "-n", "appmesh-system", "deployment/appmesh-controller", "--timeout=90s")
    authority = issue("acm")
    made = secret("acm", issue("acm-blue", authority, hosts=(node_host(ACM),)), authority)
    made["metadata"] |= {"labels": {"crossfade.dev/acm": "enabled"}, "annotations": {"crossfade.dev/acm-arns": ARN}}
    lab.apply(made)
    lab.deploy(ACM)
    where = f"https://{node_host(ACM)}:{ACM.port}/"
    eventually(lambda: status_in(lab, "outside", where, "-k") == "200", within_s=SOON_S)
    assert status_in(lab, "outside", where.replace("https", "http")) == "000"


def _permission() -> Iterator[str]:
    for document in yaml_texts.load_all(crossfade("install", "mesh", "--acm-secrets").stdout):
        if document["kind"] == "ClusterRole":
            yield json.dumps(document)
