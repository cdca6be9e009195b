"""Identities of sidecars in a cluster: what its people see of `crossfade.dev/mesh-tls`."""

import json
from collections.abc import Iterator

import pytest

from crossfade.install.mesh_names import IDENTITIES_SECRET
from tests.e2e.test_mesh_tls_cluster import node_host, status_in
from tests.support.gateway import eventually
from tests.support.mesh_lab import MESH, SOON_S, Cell, MeshLab, client_pod, mesh_lab

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

RED = Cell("red")
LIME = Cell("lime", protocol="grpc", replicas=2)
CELLS = (RED, LIME)
KEY = "crossfade.dev/mesh-tls"
# The least that the controller takes; renewed after half of it.
LIFETIME_S = 60


@pytest.fixture(scope="module")
def lab() -> Iterator[MeshLab]:
    with mesh_lab() as running:
        controller = ("-n", "appmesh-system", "deployment/appmesh-controller")
        env = [{"name": "CROSSFADE_IDENTITY_LIFETIME_S", "value": str(LIFETIME_S)}]
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "controller", "env": env}]}}}}
        running.kubectl("patch", *controller, "-p", json.dumps(patch))
        running.kubectl("rollout", "status", *controller, "--timeout=90s")
        running.kubectl("annotate", "mesh", MESH, f"{KEY}=strict")
        running.deploy(*CELLS)
        inside = client_pod("front", {"name": "main", "image": "shell:1"})
        outside = client_pod("outside", {"name": "main", "image": "shell:1"})
        outside["metadata"] |= {"labels": {}, "annotations": {"appmesh.k8s.aws/sidecarInjectorWebhook": "disabled"}}
        running.apply(inside, outside)
        running.kubectl("wait", "pod/front", "pod/outside", "--for=condition=Ready", "--timeout=60s")
        yield running


def serial_in(lab: MeshLab) -> str:
    """Of the certificate that a pod of `red` shows; it is shown before the caller's is asked for."""
    where = f"{node_host(RED)}:{RED.port}"
    script = f"openssl s_client -connect {where} < /dev/null 2>&1 | openssl x509 -noout -serial -ext subjectAltName"
    return lab.kubectl("exec", "outside", "-c", "main", "--", "sh", "-c", script)


def test_pods_of_the_mesh_reach_each_other_and_others_are_refused(lab: MeshLab) -> None:
    eventually(lambda: status_in(lab, "front", f"http://{RED.host}:{RED.port}/") == "200", within_s=SOON_S)
    where = f"{node_host(RED)}:{RED.port}"
    assert status_in(lab, "outside", f"http://{where}/") == "000"
    assert status_in(lab, "outside", f"https://{where}/", "-k") == "000"
    assert "URI:spiffe://life/ns/life/virtual-node/red-v1" in serial_in(lab)


def test_a_permissive_mesh_serves_those_outside(lab: MeshLab) -> None:
    where = f"http://{node_host(RED)}:{RED.port}/"
    lab.kubectl("annotate", "mesh", MESH, f"{KEY}=permissive", "--overwrite")
    eventually(lambda: status_in(lab, "outside", where) == "200", within_s=SOON_S)
    assert status_in(lab, "front", f"http://{RED.host}:{RED.port}/") == "200"
    lab.kubectl("annotate", "mesh", MESH, f"{KEY}=strict", "--overwrite")
    eventually(lambda: status_in(lab, "outside", where) == "000", within_s=SOON_S)


def test_identities_and_their_authority_are_renewed_under_load_and_nothing_is_lost(lab: MeshLab) -> None:
    eventually(lambda: status_in(lab, "front", f"http://{RED.host}:{RED.port}/") == "200", within_s=SOON_S)
    first = serial_in(lab)
    calls = [lab.call_in_mesh(RED, rate=100, seconds=75), lab.call_in_mesh(LIME, rate=20, seconds=75)]
    eventually(lambda: serial_in(lab) != first, within_s=LIFETIME_S)
    # Lost: the controller makes another one, which all learn of.
    lab.kubectl("delete", "secret", "-n", "appmesh-system", IDENTITIES_SECRET)
    reasons = ("get", "events", "-n", "default", "-o", "jsonpath={.items[*].reason}")
    eventually(lambda: "MeshAuthorityLost" in lab.kubectl(*reasons), within_s=LIFETIME_S + SOON_S)
    for call in calls:
        tally = call.result()
        assert tally.lost == {}
        assert tally.sent > 1000
