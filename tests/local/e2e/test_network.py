"""The network of the embedded cluster as a user meets it: clients in Python, ports of the machine, policies."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.e2e.test_embedded_cluster import container, create_pod, wait_ready
from tests.support.cluster import EmbeddedCluster, embedded_cluster

pytestmark = pytest.mark.cluster

IMAGES = '- {match: "shell:*", argv: [sh, -c, "trap \'exit 0\' TERM; sleep infinity & wait"], user: 65534}\n'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    directory = tmp_path_factory.mktemp("network")
    images = directory / "images.yaml"
    images.write_text(IMAGES)
    with embedded_cluster(directory / "data", "--bare", "--images", str(images)) as running:
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
