"""What a mesh is asked for, through captured connections: identities (`crossfade.dev/mesh-tls`), domains, zones."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from crossfade.install.mesh_names import IDENTITIES_SECRET
from tests.e2e.test_mesh_tls_cluster import node_host, status_in
from tests.support.gateway import eventually
from tests.support.mesh_lab import MESH, NAMESPACE, SOON_S, Cell, MeshLab, client_pod, mesh_lab

pytestmark = [pytest.mark.cluster, pytest.mark.envoy]

RED = Cell("red")
LIME = Cell("lime", protocol="grpc", replicas=2)
CELLS = (RED, LIME)
ZONED = Cell("zoned", replicas=2, node_annotations={"crossfade.dev/zones": "prefer-own"})
KEY = "crossfade.dev/mesh-tls"
WEB_PORT = 9090
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
        web = client_pod("web", {"name": "main", "image": "mesh-app:1", "args": ["http", str(WEB_PORT)]})
        web["metadata"] |= {"labels": {"app": "web"}, "annotations": outside["metadata"]["annotations"]}
        spec = {"selector": {"app": "web"}, "ports": [{"port": WEB_PORT}]}
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": spec,
        }
        running.apply(inside, outside, web, service)
        running.kubectl("wait", "pod/front", "pod/outside", "pod/web", "--for=condition=Ready", "--timeout=60s")
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


def test_a_domain_that_is_listed_is_reached_and_nothing_else_out_there(lab: MeshLab) -> None:
    host = f"web.{NAMESPACE}.svc.cluster.local:{WEB_PORT}"
    assert status_in(lab, "front", f"http://{host}/") == "000"
    lab.kubectl("annotate", "virtualnode", "client", f"crossfade.dev/egress-domains=http://{host}")
    eventually(lambda: status_in(lab, "front", f"http://{host}/") == "200", within_s=SOON_S)
    assert status_in(lab, "front", f"http://{host}/", "-H", "Host:elsewhere.test") == "403"
    # Who says a listed name gets where that leads, whatever was connected to.
    assert status_in(lab, "front", f"http://192.0.2.1:{WEB_PORT}/", "-H", f"Host:{host}") == "200"
    assert status_in(lab, "front", f"http://web.{NAMESPACE}.svc.cluster.local:9091/") == "000"


def test_callers_take_endpoints_of_their_own_zone(lab: MeshLab) -> None:
    lab.deploy(ZONED)
    pods = json.loads(lab.kubectl("get", "pods", "-l", f"app={ZONED.name}-v1", "-o", "json"))["items"]
    homes = dict(zip("ab", pods, strict=True))
    # The cluster has one machine; of a Service without a selector others may say where its endpoints are.
    service = "homes"
    lab.apply(service_named(service, ZONED.port), *(zone_slice(service, pod, zone) for zone, pod in homes.items()))
    discovery = {"dns": {"hostname": f"{service}.{NAMESPACE}.svc.cluster.local"}}
    change = json.dumps({"spec": {"serviceDiscovery": discovery}})
    lab.kubectl("patch", "virtualnode", f"{ZONED.name}-v1", "--type=merge", "-p", change)
    front = json.loads(lab.kubectl("get", "pod", "front", "-o", "json"))

    def answering() -> set[str]:
        script = f"for i in $(seq 12); do curl -s -m 5 http://{ZONED.host}:{ZONED.port}/; echo; done"
        return set(lab.kubectl("exec", "front", "-c", "main", "--", "sh", "-c", script).split())

    for zone, pod in homes.items():
        lab.apply(zone_slice("callers", front, zone))
        eventually(lambda pod=pod: answering() == {pod["metadata"]["name"]}, within_s=SOON_S)


def service_named(name: str, port: int, selector: dict[str, str] | None = None) -> dict[str, Any]:
    spec = {"ports": [{"port": port}], **({"selector": selector} if selector else {})}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def zone_slice(service: str, pod: dict[str, Any], zone: str) -> dict[str, Any]:
    """Of one pod, as a cluster writes it whose nodes are in zones."""
    name = pod["metadata"]["name"]
    endpoint = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": True},
        "targetRef": {"kind": "Pod", "name": name, "namespace": NAMESPACE},
        "zone": zone,
    }
    labels = {"kubernetes.io/service-name": service}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{service}-{name}", "namespace": NAMESPACE, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"port": ZONED.port}],
        "endpoints": [endpoint],
    }
