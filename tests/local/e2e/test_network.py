"""The network of the embedded cluster as a user meets it: clients in Python, ports of the machine, policies."""

import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.e2e.test_embedded_cluster import container, create_pod, status_of, wait_ready
from tests.support.cluster import EmbeddedCluster
from tests.support.cluster_owner import ClusterOwner
from tests.support.polling import eventually
from tests.support.ports import free_ports

pytestmark = pytest.mark.cluster

IMAGES = """
- {match: "shell:*", argv: [sh, -c, "trap 'exit 0' TERM; sleep infinity & wait"], user: 65534}
- {match: "python:*", argv: [python3]}
"""


@pytest.fixture(scope="module")
def cluster(owner: ClusterOwner) -> Iterator[EmbeddedCluster]:
    directory = owner.folder("network")
    images = directory / "images.yaml"
    images.write_text(IMAGES)
    with owner.cluster(directory, "--bare", "--images", str(images)) as running:
        create_pod(running, "jazz", song("jazz"))
        create_pod(running, "metal", song("metal"))
        create_pod(running, "visitor", container())
        wait_ready(running, "jazz", "metal", "visitor")
        yield running


def song(answer: str) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": 9080}]
    return container("crossfade/djapp:v1", env=[{"name": "HW_RESPONSE", "value": answer}], ports=ports)


PYTHON_CLIENT = """
import sys, kubernetes.client, kubernetes.config, kubernetes.stream
kubernetes.config.load_kube_config(sys.argv[1])
api = kubernetes.client.CoreV1Api()
def ask(port):
    forward = kubernetes.stream.portforward(
        api.connect_get_namespaced_pod_portforward, "jazz", "default", ports=str(port)
    )
    if port != 9080:
        while not (problem := forward.error(port)):
            forward.socket(port).recv(1)
        return problem
    sock = forward.socket(port)
    sock.sendall(b"GET / HTTP/1.1\\r\\nHost: jazz\\r\\nConnection: close\\r\\n\\r\\n")
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data.decode()
print(ask(9080))
print(ask(9))
"""
KR8S_CLIENT = """
import sys, asyncio, httpx, kr8s.asyncio
from kr8s.asyncio.objects import Pod
async def main():
    api = await kr8s.asyncio.api(kubeconfig=sys.argv[1])
    pod = await Pod.get("jazz", namespace="default", api=api)
    async with pod.portforward(9080) as port, httpx.AsyncClient(trust_env=False) as client:
        for _ in range(3):
            print((await client.get(f"http://127.0.0.1:{port}/")).text)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        pytest.param(PYTHON_CLIENT, ["200 OK", "jazz", "error forwarding port 9 to pod jazz_default"], id="kubernetes"),
        pytest.param(KR8S_CLIENT, ["jazz\njazz\njazz"], id="kr8s"),
    ],
)
def test_ports_are_forwarded_to_clients_in_python(cluster: EmbeddedCluster, program: str, shown: list[str]) -> None:
    command = [sys.executable, "-c", program, str(cluster.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    for text in shown:
        assert text in done.stdout


def service(name: str, port: dict[str, Any], **spec: Any) -> str:
    kind = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    return json.dumps({**kind, "spec": {"selector": {"app": "jazz"}, "ports": [port], **spec}})


def get(url: str) -> str:
    """The body; empty when there is none."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return str(response.read().decode()).strip()
    except OSError:
        return ""


def from_pod(cluster: EmbeddedCluster, pod: str, url: str, *options: str) -> str:
    """The body that a pod gets; empty when it gets none."""
    with contextlib.suppress(subprocess.CalledProcessError):
        return cluster.kubectl("exec", pod, "--", "curl", "-s", "-m", "2", *options, url).strip()
    return ""


@pytest.mark.every_mode
def test_ports_of_nodes_and_hosts_are_on_the_machine(cluster: EmbeddedCluster) -> None:
    node_port, host_port, busy = free_ports(3)
    with socket.create_server(("127.0.0.1", busy)):
        outside_range = {"nodePort": 30000 + node_port % 2768, "port": 80, "targetPort": 9080}
        cluster.kubectl("apply", "-f", "-", stdin=service("on-node", outside_range, type="NodePort"))
        ports = [{"containerPort": 9080, "hostPort": host_port}, {"containerPort": 9081, "hostPort": busy}]
        create_pod(cluster, "on-host", {**song("host"), "ports": ports})
        assert eventually(lambda: get(f"http://127.0.0.1:{outside_range['nodePort']}/") == "jazz")
        assert eventually(lambda: get(f"http://127.0.0.1:{host_port}/") == "host")
        assert from_pod(cluster, "visitor", f"http://10.244.0.1:{host_port}/") == "host"
        events = eventually(lambda: cluster.kubectl("get", "events", "--field-selector=reason=PortNotOpened"))
        assert f"hostPort {busy} is not opened: 127.0.0.1:{busy} is in use by" in events
    cluster.kubectl("delete", "pod/on-host", "service/on-node", "--wait=false")
    eventually(lambda: not get(f"http://127.0.0.1:{host_port}/"))


DATAGRAMS = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
    served.bind(("", 9053))
    while True:
        said, client = served.recvfrom(9000)
        served.sendto(said.upper(), client)
"""


def ask_by_datagram(port: int) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect(("127.0.0.1", port))
        with contextlib.suppress(OSError):
            client.send(b"blue train")
            return client.recv(9000).decode()
    return ""


def test_datagrams_reach_pods_from_the_machine(cluster: EmbeddedCluster) -> None:
    (host_port,) = free_ports(1)
    port = {"port": 53, "targetPort": 9053, "protocol": "UDP"}
    outside = {**port, "nodePort": 30000 + host_port % 2768}
    ports = [{"containerPort": 9053, "protocol": "UDP", "hostPort": host_port}]
    create_pod(cluster, "echo", container("python:3", args=["-c", DATAGRAMS], ports=ports))
    for kind, one in (("NodePort", outside), ("LoadBalancer", port)):
        cluster.kubectl("apply", "-f", "-", stdin=service(kind.lower(), one, type=kind, selector={"app": "echo"}))
    assert eventually(lambda: ask_by_datagram(host_port)) == "BLUE TRAIN"
    assert eventually(lambda: ask_by_datagram(outside["nodePort"])) == "BLUE TRAIN"
    found = '{.status.loadBalancer.ingress[0].ports[?(@.protocol=="UDP")].port}'
    published = eventually(lambda: cluster.kubectl("get", "service", "loadbalancer", "-o", f"jsonpath={found}"))
    assert eventually(lambda: ask_by_datagram(int(published))) == "BLUE TRAIN"
    assert f"udp://127.0.0.1:{published}" in cluster.crossfade("status", "--data-dir", str(cluster.data_dir)).stdout
    cluster.kubectl("delete", "pod/echo", "service/nodeport", "service/loadbalancer", "--wait=false")


def test_names_of_many_pods_are_resolved_to_all_of_them(cluster: EmbeddedCluster) -> None:
    spec = {"clusterIP": "None", "ports": [{"port": 80}]}
    addresses = [f"10.244.9.{number}" for number in range(250)]
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "crowd-1", "labels": {"kubernetes.io/service-name": "crowd"}},
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }
    crowd = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "crowd"}, "spec": spec}
    cluster.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [crowd, slice_]})
    )

    def resolved() -> set[str]:
        with contextlib.suppress(subprocess.CalledProcessError):
            lines = cluster.kubectl("exec", "visitor", "--", "getent", "ahostsv4", "crowd").splitlines()
            return {line.split()[0] for line in lines}
        return set()

    assert eventually(resolved) == set(addresses)
    cluster.kubectl("delete", "service/crowd", "endpointslice/crowd-1")


def test_external_names_lead_on(cluster: EmbeddedCluster) -> None:
    cluster.kubectl("apply", "-f", "-", stdin=service("song", {"port": 9080}))
    alias = {"type": "ExternalName", "externalName": "song.default.svc.cluster.local"}
    cluster.kubectl("apply", "-f", "-", stdin=service("alias", {"port": 9080}, **alias))
    assert eventually(lambda: from_pod(cluster, "visitor", "http://alias:9080/") == "jazz")


@pytest.mark.every_mode
def test_policies_say_who_reaches_whom(cluster: EmbeddedCluster) -> None:
    address = {name: status_of(cluster, name)["podIP"] for name in ("jazz", "metal", "visitor")}
    jazz = f"http://{address['jazz']}:9080/"
    cluster.kubectl("apply", "-f", "-", stdin=service("guarded", {"port": 80, "targetPort": "http"}))
    assert eventually(lambda: from_pod(cluster, "visitor", "http://guarded/") == "jazz")
    allowed = {"from": [{"podSelector": {"matchLabels": {"app": "visitor"}}}], "ports": [{"port": "http"}]}
    cluster.kubectl("apply", "-f", "-", stdin=policy("closed", ingress=[], policyTypes=["Ingress"]))
    eventually(lambda: not from_pod(cluster, "visitor", jazz, "--connect-timeout", "0.3"))
    assert not from_pod(cluster, "visitor", "http://guarded/", "--connect-timeout", "0.3")
    # The node's probes get through, what others say to it and what it says to itself as well.
    assert from_pod(cluster, "jazz", jazz) == "jazz"
    assert from_pod(cluster, "jazz", f"http://{address['metal']}:9080/") == "metal"
    cluster.kubectl("apply", "-f", "-", stdin=policy("open", ingress=[allowed]))
    assert eventually(lambda: from_pod(cluster, "visitor", "http://guarded/", "--connect-timeout", "0.3") == "jazz")
    assert not from_pod(cluster, "metal", jazz, "--connect-timeout", "0.3")
    dns = {"ports": [{"port": 53, "protocol": "UDP"}]}
    cluster.kubectl("apply", "-f", "-", stdin=policy("mute", app="visitor", egress=[dns], policyTypes=["Egress"]))
    eventually(lambda: not from_pod(cluster, "visitor", jazz, "--connect-timeout", "0.3"))
    assert address["metal"] not in cluster.kubectl("exec", "visitor", "--", "getent", "hosts", "guarded")
    cluster.kubectl("delete", "networkpolicy", "--all")
    assert eventually(lambda: from_pod(cluster, "metal", jazz) == "jazz")


class _Greeter(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"machine saw {self.client_address[0]}".encode())

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def machine_server(address: str) -> Iterator[str]:
    with http.server.ThreadingHTTPServer((address, 0), _Greeter) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{address}:{server.server_address[1]}/"
        server.shutdown()


def machine_address() -> str:
    """One that is not loopback; empty for a machine without a network."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return ""


@pytest.mark.every_mode
def test_pods_reach_the_machine_but_not_its_loopback(cluster: EmbeddedCluster) -> None:
    with machine_server("127.0.0.1") as url:
        assert get(url) == "machine saw 127.0.0.1"
        for address in ("127.0.0.1", "0.0.0.0", "169.254.1.1", "10.244.0.1"):
            other = url.replace("127.0.0.1", address)
            assert from_pod(cluster, "visitor", other, "--connect-timeout", "0.3") == ""
    if not (address := machine_address()):
        pytest.skip("this machine has no address but its loopback's")
    with machine_server(address) as url:
        assert from_pod(cluster, "visitor", url) == f"machine saw {address}"
        cluster.kubectl("apply", "-f", "-", stdin=policy("inward", app="visitor", policyTypes=["Egress"]))
        eventually(lambda: not from_pod(cluster, "visitor", url, "--connect-timeout", "0.3"))
        cluster.kubectl("delete", "networkpolicy", "--all")


def policy(name: str, *, app: str = "jazz", **spec: Any) -> str:
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name}}
    return json.dumps({**kind, "spec": {"podSelector": {"matchLabels": {"app": app}}, **spec}})
